/**
 * How the command says no.
 *
 * Exit codes: 0 done, 1 a finding (a conformance case that differs, an invariant that does not hold), 2 bad usage or
 * bad input. What is left is our own mistake, which says so and exits 70, the number that sysexits(3) has for it.
 */
export const EXIT_DONE = 0;
export const EXIT_FINDING = 1;
export const EXIT_USAGE = 2;
export const EXIT_INTERNAL = 70;

/** Bad usage or bad input: the message is all that the user needs to see. One line each. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** Lines for standard error; they stand as they are, without the command's name before them. */
  readonly lines: readonly string[];

  constructor(message: string, lines?: readonly string[]) {
    super(message);
    this.lines = lines ?? [`faultline: ${message}`];
  }
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  ENOTDIR: 'a part of the path is not a directory',
  EMFILE: 'too many open files',
  ENOSPC: 'no space left on the device',
  EROFS: 'the file system is read-only',
};

/** A file that could not be used, in words. Errors that do not come from the file system are thrown again. */
export function fileError(verb: 'read' | 'write' | 'open', path: string, error: unknown): UsageError {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') throw error;
  const reason = verb === 'write' && code === 'ENOENT' ? 'its folder does not exist' : (FILE_ERRORS[code] ?? code);
  return new UsageError(`cannot ${verb} ${path}: ${reason}`);
}

/** An error of the file system about one path, as `node:fs` throws it. */
export function isFileError(error: unknown): error is Error & { readonly path: string } {
  return error instanceof Error && 'syscall' in error && 'path' in error && typeof error.path === 'string';
}

/** Errors of the packages below that are about what the user gave: their messages are made for the user. */
const INPUT_ERRORS: ReadonlySet<string> = new Set(['TraceFormatError', 'ImportError', 'RecordError', 'StoreOpenError']);

/** True for an error that is the input's doing, whichever package noticed it. */
export function isInputError(error: unknown): error is Error {
  return error instanceof Error && INPUT_ERRORS.has(error.name);
}
