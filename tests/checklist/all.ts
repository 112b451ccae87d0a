/** Enters every check into the register. */
import './a-mmap.js';
import './a-mmap-more.js';
import './b-mmap-errors.js';
import './c-munmap.js';
import './p-mprotect.js';
import './d-madvise.js';
import './s-msync.js';
import './r-mincore.js';
import './m-mlock.js';
import './h-minherit.js';
import './f-fork.js';
import './k-brk.js';
import './t-traps.js';

export { CHECKS, runCheck, systemsOf } from './registry.js';

/** How many checks each letter has: what the checklist asks for. */
export const COUNTS = { A: 34, B: 19, C: 15, P: 19, D: 17, S: 16, R: 10, M: 24, H: 10, F: 16, K: 9, T: 17 } as const;
