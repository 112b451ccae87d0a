/*
 * `npm start`: from a fresh clone to the main job, with only Node and npm on the machine.
 *
 *     npm start                          compares the systems on the trace that ships with the repository
 *     npm start -- FILE [options]        on another trace, with any options of `faultline compare`
 *
 * Installs and compiles first if that has not been done; says so, and otherwise nothing.
 */
import './lib/node-version.mjs';

import('./lib/start.mjs').then(({ main }) => main(process.argv.slice(2)));
