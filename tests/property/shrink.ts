/**
 * Makes a failing program small: leaves out as much as it can, then makes what remains plain.
 *
 * fast-check shrinks a list one element at a time and begins again after each success, which takes minutes where a program has hundreds
 * of operations. Here halves go first, then quarters, and so on down to single operations.
 */
import { PAGE_SIZE } from '@faultline/core';
import type { Operation, Program } from './program.js';

/** As few items as can be found that still fail, in their order. */
export function leaveOut<T>(items: readonly T[], fails: (items: readonly T[]) => boolean): readonly T[] {
  let best = items;
  for (let size = best.length >> 1; size >= 1; size >>= 1) {
    for (let at = best.length - size; at >= 0; at -= size) {
      const fewer = [...best.slice(0, at), ...best.slice(at + size)];
      if (fails(fewer)) best = fewer;
    }
  }
  return best;
}

/** The smallest program found that still fails. */
export function shrink(program: Program, fails: (program: Program) => boolean): Program {
  const stillFails = (operations: readonly Operation[]): boolean => fails({ ...program, operations });
  let operations = program.operations;
  for (let before = -1; before !== operations.length; ) {
    before = operations.length;
    operations = simplify(leaveOut(operations, stillFails), stillFails);
  }
  return { ...program, operations };
}

function simplify(
  operations: readonly Operation[],
  fails: (operations: readonly Operation[]) => boolean,
): readonly Operation[] {
  let best = operations;
  for (let at = 0; at < best.length; at++) {
    for (let go = true; go; ) {
      const plainer = simpler(best[at] as Operation).map((one) => best.with(at, one));
      const found = plainer.find(fails);
      go = found !== undefined;
      best = found ?? best;
    }
  }
  return best;
}

/** The same operation with one thing about it plainer. */
function simpler(operation: Operation): Operation[] {
  const found: Operation[] = [];
  const change = (part: Partial<Operation>): void => void found.push({ ...operation, ...part } as Operation);
  if ('who' in operation && operation.who > 0) change({ who: 0 });
  if ('length' in operation)
    for (const pages of fewer(operation.length / PAGE_SIZE)) change({ length: pages * PAGE_SIZE });
  if ('pages' in operation) for (const pages of fewer(operation.pages)) change({ pages });
  const offset = 'address' in operation ? operation.address % PAGE_SIZE : 0;
  if ('address' in operation && offset !== 0) change({ address: operation.address - offset });
  if (operation.op === 'map') {
    if (operation.prot !== 3 && operation.prot !== 7) change({ prot: 7 });
    if (operation.backing !== 'anon') change({ backing: 'anon' });
    if (operation.offset > 0) change({ offset: 0 });
    if (operation.sharing === 'shared') change({ sharing: 'private' });
    if (!operation.fixed) change({ fixed: true });
  }
  return found;
}

/** Smaller whole numbers to try, the smallest first. */
function fewer(pages: number): number[] {
  return [1, Math.floor(pages / 2), Math.ceil(pages) - 1].filter((n) => n >= 1 && n < pages);
}
