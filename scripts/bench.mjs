/*
 * npm run bench: see bench/main.mjs.
 */
import { main } from '../bench/main.mjs';

await main(process.argv.slice(2));
