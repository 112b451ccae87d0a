/**
 * The flags of the memory calls, with the values of `<sys/mman.h>` and `<fcntl.h>` of the four systems.
 *
 * One bit has two meanings: 0x0800 is MAP_NOSYNC on freebsd and dragonfly and MAP_WIRED on netbsd. The process reads it as its own system does.
 * csrg is given the values of 4.4BSD, one year younger than its kernel.
 */
export { PROT_EXECUTE as PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE } from '../vm/prot.js';

export const MAP_FILE = 0;
export const MAP_SHARED = 0x0001;
export const MAP_PRIVATE = 0x0002;
/** Exactly at the address; what is mapped there goes. */
export const MAP_FIXED = 0x0010;
/** Ignored, as in the kernels. */
export const MAP_RENAME = 0x0020;
export const MAP_NORESERVE = 0x0040;
export const MAP_INHERIT = 0x0080;
export const MAP_HASSEMAPHORE = 0x0200;
/** Grows down (freebsd, dragonfly). */
export const MAP_STACK = 0x0400;
/** Not written by the periodic sync (freebsd, dragonfly). */
export const MAP_NOSYNC = 0x0800;
/** Wired at once (netbsd). */
export const MAP_WIRED = 0x0800;
/** Memory of no file; the descriptor must be -1. */
export const MAP_ANON = 0x1000;
/** The contents are a page table (dragonfly). */
export const MAP_VPAGETABLE = 0x2000;
/** What mmap would answer on failure in C; here a call answers with the errno's name. */
export const MAP_FAILED = -1;

export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
/** 5 on freebsd and dragonfly, 6 on netbsd (`MADV_FREE_NETBSD`). */
export const MADV_FREE = 5;
export const MADV_FREE_NETBSD = 6;

export const INHERIT_SHARE = 0;
export const INHERIT_COPY = 1;
export const INHERIT_NONE = 2;

/** 0 on csrg, freebsd and dragonfly, 4 on netbsd: both are taken there. */
export const MS_SYNC = 0;
export const MS_ASYNC = 1;
export const MS_INVALIDATE = 2;
export const MS_SYNC_NETBSD = 4;

export const MCL_CURRENT = 1;
export const MCL_FUTURE = 2;

export const MINCORE_INCORE = 0x1;
export const MINCORE_REFERENCED = 0x2;
export const MINCORE_MODIFIED = 0x4;
export const MINCORE_REFERENCED_OTHER = 0x8;
export const MINCORE_MODIFIED_OTHER = 0x10;

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_APPEND = 0x0008;
export const O_CREAT = 0x0200;
export const O_TRUNC = 0x0400;
export const O_EXCL = 0x0800;
