/** Protections: the three bits that every map entry, page and translation speaks of. */
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXECUTE = 4;
export const PROT_ALL = 7;
export type Prot = number;

const NAMES = ['---', 'r--', '-w-', 'rw-', '--x', 'r-x', '-wx', 'rwx'] as const;

/** `rwx` form of a protection. */
export function protName(prot: Prot): string {
  return NAMES[prot & PROT_ALL] as string;
}

/** The protection that an access needs, indexed by `Access`. */
export const PROT_OF_ACCESS: readonly Prot[] = [PROT_READ, PROT_WRITE, PROT_EXECUTE];
