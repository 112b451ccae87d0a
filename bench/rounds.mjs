/*
 * Rounds: what is compared is measured in turns, in one process, and what counts is the median.
 *
 * A machine that is shared is now faster, now slower, for seconds at a time. Two figures taken one after the other
 * differ by that much; two that take turns see the same weather, and their ratio is steady where neither of them is. The first
 * round is slower than all others (memory is touched for the first time, code is not compiled yet) and is dropped.
 */

/** Nanoseconds since some moment, as a double. */
export const now = () => performance.now() * 1e6;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
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

/** Runs `work` and answers the nanoseconds that one of `count` operations took. */
export function each(count, work) {
  const begin = now();
  work();
  return (now() - begin) / count;
}
