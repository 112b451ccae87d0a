/*
 * Rounds: what is compared is measured in turns, in one process, and what counts is the median.
 *
 * A machine that is shared is now faster, now slower, for seconds at a time. Two figures taken one after the other
 * differ by that much; two that take turns see the same weather, and their ratio is steady where neither of them is. Before
 * that, our side runs by itself until V8 has compiled what it will compile; and the first round is dropped: it touches memory for the
 * first time.
 *
 * Time is the CPU's, spent in this process and in the kernel on its behalf: the turns of other programs do not count, which on a busy
 * machine are most of what a clock on the wall shows. (What they leave behind, cold caches, does count.)
 */

/** Nanoseconds of CPU time, to a microsecond. */
function cpuTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Runs `side` until it has used `milliseconds` of CPU time, and at least once. */
export async function warmUp(side, milliseconds) {
  const end = cpuTime() + milliseconds * 1e6;
  do {
    await side();
  } while (cpuTime() < end);
}

/**
 * Runs every side once a round, `rounds` times after one that is dropped.
 * @param sides by name, a function (or async function) that does one round and answers a figure
 * @returns by name, the figures of all rounds
 */
export async function alternate(rounds, sides) {
  const names = Object.keys(sides);
  const figures = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const figure = await sides[name]();
      if (!Number.isFinite(figure)) throw new Error(`${name} gave ${figure} in round ${round}`);
      if (round > 0) figures[name].push(figure);
    }
  }
  return figures;
}

/** Runs `work`, which should take a tenth of a millisecond or more, and answers the nanoseconds of one of `count` operations. */
export function each(count, work) {
  const begin = cpuTime();
  work();
  return (cpuTime() - begin) / count;
}
