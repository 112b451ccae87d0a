/*
 * Lines of one call over many pages, or of many small calls.
 */
import { PROT_READ, PROT_WRITE } from '@faultline/core';
import { MACHINE_PAGES } from './lines.mjs';
import { each } from './rounds.mjs';
import { FIRST_PAGE, PAGE, Space } from './space.mjs';

const ONE_PAGE = {
  address: 0,
  length: PAGE,
  protection: PROT_READ | PROT_WRITE,
  sharing: 'private',
  backing: { kind: 'anon' },
  fixed: false,
};

const ROUNDS = {
  fork(space, pages) {
    const parent = space.process(pages);
    space.store(parent, pages);
    let child;
    const ns = each(pages, () => {
      child = space.system.fork(parent, 'child');
    });
    space.system.exit(child);
    space.system.exit(parent);
    return ns;
  },

  unmap(space, pages) {
    const process = space.process(pages);
    space.store(process, pages);
    const ns = each(pages, () => space.system.unmap(process, FIRST_PAGE * PAGE, pages * PAGE));
    space.system.exit(process);
    return ns;
  },

  'map-unmap'(space, times) {
    const { system } = space;
    const process = space.process(1);
    const ns = each(times, () => {
      for (let i = 0; i < times; i++) system.unmap(process, system.map(process, ONE_PAGE), PAGE);
    });
    system.exit(process);
    return ns;
  },
};

export function sides(line, system, pages) {
  const space = new Space(system, MACHINE_PAGES);
  const round = ROUNDS[line.name];
  return { ours: () => round(space, pages) };
}
