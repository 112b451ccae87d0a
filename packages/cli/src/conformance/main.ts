/** Where `npm run conformance` starts, once the packages are built. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from '../process.js';
import { exitCodeOf } from '../program.js';
import { noteBranches } from './branches.js';
import { conformance } from './conformance.js';

const CASES = relative(process.cwd(), fileURLToPath(new URL('../../../../conformance/', import.meta.url)));

const environment = processEnvironment();
const leaveBranches = noteBranches(process.env.FAULTLINE_BRANCHES);
try {
  process.exitCode = conformance(environment, process.argv.slice(2), CASES || '.');
} catch (error) {
  process.exitCode = exitCodeOf(environment, error);
}
leaveBranches?.();
