/*
 * Runs by itself after `npm ci` and `npm install`: compiles, so that `npx faultline` works at once.
 *
 * Sources that do not compile are no reason for an installation to fail: the complaints are shown, and `npm test` fails on them.
 */
import './lib/node-version.mjs';

const { build } = await import('./lib/setup.mjs');
const complaints = await build(() => undefined);
if (complaints !== '') console.error(`${complaints}\n\nInstalled, but the sources do not compile.`);
