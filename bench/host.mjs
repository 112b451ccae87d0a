/*
 * The host's own kernel as a yardstick: compiles host.c if there is a C compiler, and asks it for one round at a time.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('host.c', import.meta.url));

/** Compiles host.c. Answers the program's path, or null with the reason in `why` where there is no Linux or no compiler. */
export function compileHost() {
  if (process.platform !== 'linux') return { program: null, why: 'not on Linux' };
  const program = join(mkdtempSync(join(tmpdir(), 'faultline-bench-')), 'host');
  for (const compiler of ['gcc', 'cc', 'clang']) {
    const { status, error, stderr } = spawnSync(compiler, ['-O2', '-o', program, SOURCE], { encoding: 'utf8' });
    if (status === 0) return { program, why: '' };
    if (error === undefined) return { program: null, why: `${compiler} cannot compile host.c: ${stderr.trim()}` };
  }
  return { program: null, why: 'no C compiler' };
}

/** A running host program. It waits between its rounds and costs nothing then. */
export class Host {
  #child;
  #lines;

  constructor(program) {
    this.#child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * One round of the operation over `pages` pages; answers nanoseconds a page.
   * @param faults page faults that each page must have cost: a figure for another number means something else
   */
  async round(operation, pages, faults) {
    this.#child.stdin.write(`${operation} ${pages}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the host program ended at ${operation}`);
    const [ns, taken] = value.split(' ').map(Number);
    // A few more come from elsewhere: the stack, a page of the C library.
    if (Math.abs(taken - faults) > 0.05) throw new Error(`the host took ${taken} faults a page at ${operation}`);
    return ns;
  }

  end() {
    this.#child.stdin.end();
  }
}
