/** Return codes of the map and the fault handler, and what a pager answers. */
export const KERN_SUCCESS = 0;
export const KERN_INVALID_ADDRESS = 1;
export const KERN_PROTECTION_FAILURE = 2;
export const KERN_NO_SPACE = 3;
export const KERN_INVALID_ARGUMENT = 4;
export const KERN_FAILURE = 5;
export const KERN_RESOURCE_SHORTAGE = 6;
export const KERN_NOT_RECEIVER = 7;
export const KERN_NO_ACCESS = 8;
/** No code of this kernel: the fault would wait for memory for ever, and the access is dropped. */
export const FAULT_LOOP = -1;

const NAMES = [
  'KERN_SUCCESS',
  'KERN_INVALID_ADDRESS',
  'KERN_PROTECTION_FAILURE',
  'KERN_NO_SPACE',
  'KERN_INVALID_ARGUMENT',
  'KERN_FAILURE',
  'KERN_RESOURCE_SHORTAGE',
  'KERN_NOT_RECEIVER',
  'KERN_NO_ACCESS',
];

/** The kernel's spelling of a code. */
export function kernName(code: number): string {
  return code === FAULT_LOOP ? 'LOOP' : (NAMES[code] ?? `KERN_${code}`);
}

/** The page was read or written. */
export const VM_PAGER_OK = 0;
/** The place lies outside what the pager holds. */
export const VM_PAGER_BAD = 1;
/** The pager has no such page, could not take it, or met an I/O error: this revision tells none of these apart. */
export const VM_PAGER_FAIL = 2;
/** The write has begun; a later clean-up finishes it. */
export const VM_PAGER_PEND = 3;
/** Came three months later: an I/O error with a name of its own. Only mended pagers answer it. */
export const VM_PAGER_ERROR = 4;
