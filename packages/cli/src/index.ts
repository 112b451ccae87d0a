/** The `faultline` command as a library: what the tests and the scripts of this repository call. */
export { conformance } from './conformance/conformance.js';
export type { Environment, SystemEntry } from './environment.js';
export { EXIT_DONE, EXIT_FINDING, EXIT_INTERNAL, EXIT_USAGE, UsageError } from './failure.js';
export { runCommandLine } from './program.js';
export { parseMemory, sizeName } from './sizes.js';
