/*
 * Lines of faults. Each round makes what it needs afresh, and times nothing but the accesses: one a page, and on most kernels a fault for each.
 */
import { MemoryStore } from '@faultline/core';
import { MACHINE_PAGES } from './lines.mjs';
import { each } from './rounds.mjs';
import { FIRST_PAGE, PAGE, Space } from './space.mjs';

/** One page of the file in so many is in memory, as in host.c: then no kernel finds neighbours to map along with it. */
const SPARSE = 16;

/** One round of a fault line; answers nanoseconds a page. */
const ROUNDS = {
  'zero-fill'(space, pages) {
    const process = space.process(pages);
    const ns = each(pages, () => space.store(process, pages));
    space.system.exit(process);
    return ns;
  },

  cow(space, pages) {
    const parent = space.process(pages);
    space.store(parent, pages);
    const child = space.system.fork(parent, 'child');
    const ns = each(pages, () => space.store(child, pages));
    space.system.exit(child);
    space.system.exit(parent);
    return ns;
  },

  reuse(space, pages) {
    const parent = space.process(pages);
    space.store(parent, pages);
    space.system.exit(space.system.fork(parent, 'child'));
    const ns = each(pages, () => space.store(parent, pages));
    space.system.exit(parent);
    return ns;
  },

  soft(space, pages) {
    space.file ??= sparseFile(space, pages);
    const process = space.system.spawn('bench');
    space.map(process, { kind: 'file', file: space.file, offset: 0 }, pages * SPARSE);
    const ns = each(pages, () => space.load(process, pages, SPARSE));
    space.system.exit(process);
    return ns;
  },
};

/** A file of which one page in SPARSE has been read in, and stays when its reader has gone. */
function sparseFile(space, pages) {
  const { system } = space;
  const file = system.createFile('sparse', new MemoryStore(pages * SPARSE * PAGE));
  const reader = system.spawn('reader');
  space.map(reader, { kind: 'file', file, offset: 0 }, pages * SPARSE);
  // Random access: a fault reads the page that it wants and no other.
  system.advise(reader, FIRST_PAGE * PAGE, pages * SPARSE * PAGE, 'random');
  space.load(reader, pages, SPARSE);
  system.exit(reader);
  return file;
}

/** Enough visits for V8 to have compiled them: the two figures of a difference must be of the same code. */
const VISITS_TO_COMPILE = 8192;

/** Nanoseconds a page of `work`, without the visits to other lines that are in it. */
function lessVisits(space, pages, work) {
  space.visit(VISITS_TO_COMPILE);
  const whole = each(pages, work);
  return whole - each(pages, () => space.visit(pages));
}

export function sides(line, system, pages) {
  const space = new Space(system, MACHINE_PAGES);
  const round = ROUNDS[line.name];
  return {
    ours: () => round(space, pages),
    fill: () => each(pages, () => space.fill(pages)),
    copy: () => each(pages, () => space.copy(pages)),
    'fill apart': () => lessVisits(space, pages, () => space.fillApart(pages)),
    'copy apart': () => lessVisits(space, pages, () => space.copyApart(pages)),
    faults: () => space.faults,
  };
}
