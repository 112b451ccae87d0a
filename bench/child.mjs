/*
 * Measures one line on one system, in a process of its own: what V8 has compiled for one line would otherwise be what the
 * next is measured with. Prints the figures of all rounds as JSON.
 *
 *     node --expose-gc bench/child.mjs LINE SYSTEM ROUNDS SCALE [HOST-PROGRAM]
 *
 * SCALE divides the pages of a round; 1 is the real thing, more is a quick run.
 */
import { Host } from './host.mjs';
import { lineNamed } from './lines.mjs';
import { alternate, warmUp } from './rounds.mjs';

/** CPU time for V8 to find out what to compile, and how. */
const WARM_UP_MILLISECONDS = 1500;

const [name, system, rounds, scale, program = ''] = process.argv.slice(2);
const line = lineNamed(name);
const quick = Number(scale) > 1;
const pages = Math.max(1, Math.round((line.pages ?? 1) / Number(scale)));
const { sides } = await import(`./${line.group}.mjs`);

const all = await sides(line, system, pages, quick);
const host = program === '' ? null : new Host(program);
const wanted = { ours: all.ours };
for (const yardstick of line.beside) {
  if (yardstick.host === undefined) wanted[yardstick.name] = all[yardstick.name];
  else if (host !== null) wanted[yardstick.name] = () => host.round(yardstick.host, pages, yardstick.faults);
}
await warmUp(all.ours, quick ? 0 : WARM_UP_MILLISECONDS);
const figures = await alternate(Number(rounds), wanted);
// Of the last round; all are alike.
console.log(JSON.stringify({ figures, faults: all.faults?.() }));
host?.end();
