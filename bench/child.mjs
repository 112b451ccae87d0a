/*
 * Measures one line on one system, in a process of its own: what V8 has compiled for one line would otherwise be what the
 * next is measured with. Prints the figures of all rounds as JSON.
 *
 *     node --expose-gc bench/child.mjs LINE SYSTEM ROUNDS SCALE [HOST-PROGRAM]
 *
 * SCALE divides the pages of a round; 1 is the real thing.
 */
import { Host } from './host.mjs';
import { lineNamed } from './lines.mjs';
import { alternate } from './rounds.mjs';

const [name, system, rounds, scale, program = ''] = process.argv.slice(2);
const line = lineNamed(name);
const pages = Math.max(1, Math.round((line.pages ?? 1) / Number(scale)));
const { sides } = await import(`./${line.group}.mjs`);

const all = sides(line, system, pages);
const host = program === '' ? null : new Host(program);
const wanted = { ours: all.ours };
for (const yardstick of line.beside) {
  if (yardstick.host === undefined) wanted[yardstick.name] = all[yardstick.name];
  else if (host !== null) wanted[yardstick.name] = () => host.round(yardstick.host, pages, yardstick.faults);
}
console.log(JSON.stringify(await alternate(Number(rounds), wanted)));
host?.end();
