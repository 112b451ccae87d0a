/**
 * Where the process starts: real streams, real systems, and an exit code at the end.
 *
 * The exit code is set, not called for, so that everything written is out before the process ends. A reader that
 * goes away (`faultline ... | head`) is no error: the rest is not wanted.
 */
import { processEnvironment } from './process.js';
import { runCommandLine } from './program.js';

process.exitCode = await runCommandLine(processEnvironment(), process.argv.slice(2));
