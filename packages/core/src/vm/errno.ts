/** What a memory call refuses with. A call answers with a number (0, or an address) or with one of these names. */
export type Errno =
  | 'EACCES'
  | 'EAGAIN'
  | 'EBADF'
  | 'EBUSY'
  | 'EEXIST'
  | 'EFAULT'
  | 'EFBIG'
  | 'EINVAL'
  | 'EIO'
  | 'EMFILE'
  | 'ENODEV'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENOSPC'
  | 'ENOSYS'
  | 'EOPNOTSUPP'
  | 'EOVERFLOW'
  | 'EPERM';

/** 0 or an address (bytes) on success, otherwise the errno's name. */
export type CallResult = number | Errno;

/** True when a call was refused. */
export function failed(result: CallResult): result is Errno {
  return typeof result === 'string';
}
