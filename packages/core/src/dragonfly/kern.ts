/** Return codes of the map and the fault handler, and what a pager answers, under their kernel names. */
export const KERN_SUCCESS = 0;
export const KERN_INVALID_ADDRESS = 1;
export const KERN_PROTECTION_FAILURE = 2;
export const KERN_NO_SPACE = 3;
export const KERN_INVALID_ARGUMENT = 4;
export const KERN_FAILURE = 5;
export const KERN_RESOURCE_SHORTAGE = 6;
export const KERN_TRY_AGAIN = 9;
/** No code of the kernel's: its handler would retry for ever, since nobody can free memory. */
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
  'KERN_TRY_AGAIN',
];

/** The kernel's spelling of a code. */
export function kernName(code: number): string {
  return code === FAULT_LOOP ? 'LOOP' : (NAMES[code] ?? `KERN_${code}`);
}

/** All data read or written. */
export const VM_PAGER_OK = 0;
/** The place lies outside the object. */
export const VM_PAGER_BAD = 1;
/** The pager has nothing there. */
export const VM_PAGER_FAIL = 2;
/** Written later; the pager tidies up by itself. */
export const VM_PAGER_PEND = 3;
/** I/O failed. */
export const VM_PAGER_ERROR = 4;
export const VM_PAGER_AGAIN = 5;
