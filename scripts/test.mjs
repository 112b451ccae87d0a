/*
 * `npm test`: everything that CI checks, from a fresh clone on.
 *
 *     npm test                        all stages
 *     npm test -- lint vitest         these only (what they need is installed and compiled first)
 *
 * Each stage prints a line when it is done, and what went wrong below it. The last line is `N passed, N failed`: the tests of
 * vitest, the conformance cases, and one for each of the other checks. The exit code is 0 when none failed.
 */
import './lib/node-version.mjs';

import('./lib/stages.mjs').then(({ main }) => main(process.argv.slice(2)));
