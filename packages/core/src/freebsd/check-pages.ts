/** The part of the invariants that concerns frames: states, queues, hash, the objects' lists of pages. */
import { insist, nameOf } from './check.js';
import type { VmObject } from './object.js';
import {
  PG_CACHED,
  PG_FICTITIOUS,
  PG_UNMANAGED,
  PG_ZERO,
  PQ_ACTIVE,
  PQ_CACHE,
  PQ_FREE,
  PQ_HOLD,
  PQ_INACTIVE,
  PQ_NONE,
  pageFullyValid,
  pageHasFlag,
  pageIsBusy,
} from './page.js';
import type { Vm } from './vm.js';

const QUEUE_NAMES = [
  'no queue',
  'the free queue',
  'the cache',
  'the inactive queue',
  'the active queue',
  'the hold queue',
];

/** Where a page is, for messages. */
function place(vm: Vm, page: number): string {
  return `frame ${page} (${QUEUE_NAMES[vm.pages.queues.queue[page] as number]})`;
}

export function checkPages(vm: Vm): void {
  checkQueues(vm);
  const listed = checkLists(vm);
  let wired = 0;
  let zeroed = 0;
  for (let page = 0; page < vm.machine.memory.poolFrames; page++) {
    checkFrame(vm, page, listed);
    if (vm.pages.wireCount[page] !== 0) wired++;
    if (vm.pages.queues.queue[page] === PQ_FREE && pageHasFlag(vm, page, PG_ZERO)) zeroed++;
  }
  insist(wired === vm.wiredPages, () => `${vm.wiredPages} pages count as wired, ${wired} are`);
  insist(zeroed === vm.zeroedPages, () => `${vm.zeroedPages} free pages count as zeroed, ${zeroed} are`);
}

/** Every queue is a closed ring of as many frames as it counts, each of which says that it is there. */
function checkQueues(vm: Vm): void {
  const { queues } = vm.pages;
  for (let queue = PQ_FREE; queue <= PQ_HOLD; queue++) {
    let length = 0;
    const limit = queues.count[queue] as number;
    for (let page = queues.first(queue); page >= 0; page = queues.after(page)) {
      insist(queues.queue[page] === queue, () => `${place(vm, page)} is linked into ${QUEUE_NAMES[queue]}`);
      insist(++length <= limit, () => `${QUEUE_NAMES[queue]} counts ${limit} frames and has more`);
    }
    insist(length === limit, () => `${QUEUE_NAMES[queue]} counts ${limit} frames and has ${length}`);
  }
}

/** Every object's lists hold exactly its pages. Answers all frames on some list. */
function checkLists(vm: Vm): Set<number> {
  const listed = new Set<number>();
  for (const object of vm.objects) {
    if (object === null) continue;
    checkList(vm, object, object.firstPage, object.id, object.residentCount, listed);
    checkList(vm, object, object.firstCached, object.id + 1, object.cachedCount, listed);
  }
  return listed;
}

function checkList(vm: Vm, object: VmObject, first: number, key: number, count: number, listed: Set<number>): void {
  const { hash, links } = vm.pages;
  let length = 0;
  for (let page = first; page >= 0; page = links.next(page)) {
    insist(!listed.has(page), () => `${place(vm, page)} is on two lists, one of them that of ${nameOf(object)}`);
    listed.add(page);
    insist(
      hash.object[page] === key,
      () => `${place(vm, page)} is on the list of ${nameOf(object)} but belongs elsewhere`,
    );
    const pindex = hash.pindex[page] as number;
    insist(hash.lookup(key, pindex) === page, () => `page ${pindex} of ${nameOf(object)} is found twice`);
    length++;
  }
  insist(length === count, () => `${nameOf(object)} counts ${count} pages and lists ${length}`);
}

function checkFrame(vm: Vm, page: number, listed: ReadonlySet<number>): void {
  const { pages } = vm;
  const queue = pages.queues.queue[page] as number;
  const owned = pages.hash.object[page] !== 0;
  insist(owned === listed.has(page), () => `${place(vm, page)} and its object disagree whether it belongs there`);
  insist(!pageIsBusy(vm, page), () => `${place(vm, page)} is busy at rest`);
  if (queue === PQ_FREE || queue === PQ_HOLD) {
    insist(!owned && pages.valid[page] === 0, () => `${place(vm, page)} is free but has an owner or contents`);
    insist(
      pages.wireCount[page] === 0 && !vm.pmap.isMapped(page),
      () => `${place(vm, page)} is free but wired or mapped`,
    );
  } else if (queue === PQ_CACHE) {
    insist(
      owned && pageHasFlag(vm, page, PG_CACHED),
      () => `${place(vm, page)} is cached without an owner or its mark`,
    );
    insist(
      pages.valid[page] !== 0 && pages.dirty[page] === 0,
      () => `${place(vm, page)} is cached but invalid or dirty`,
    );
    insist(!vm.pmap.isMapped(page), () => `${place(vm, page)} is cached and mapped`);
  } else if (queue === PQ_INACTIVE || queue === PQ_ACTIVE) {
    insist(owned && pages.wireCount[page] === 0, () => `${place(vm, page)} is on a queue but wired or nobody's`);
  } else {
    checkOffQueue(vm, page, owned);
  }
}

/** Off all queues: wired, or never pageable. (A wired page may have lost its object, and is then lost with it.) */
function checkOffQueue(vm: Vm, page: number, owned: boolean): void {
  const { pages } = vm;
  if (pages.queues.queue[page] !== PQ_NONE) return;
  // As seeded, advice can leave a partly valid page on no queue (O20).
  const stray = !vm.mended && !pageFullyValid(vm, page);
  const excused = stray || pages.wireCount[page] !== 0 || pageHasFlag(vm, page, PG_UNMANAGED | PG_FICTITIOUS) || !owned;
  insist(excused, () => `${place(vm, page)} belongs to an object and nobody will ever page it out`);
}
