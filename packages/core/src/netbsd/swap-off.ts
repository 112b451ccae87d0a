/**
 * swapoff: brings everything that is on swap back into memory, and takes the area out of use.
 *
 * An anon is fetched by anonget as for a fault, only that no map stands behind the record: there is nothing to look up again after the read,
 * and locking the map again succeeds without doing anything. A page of a segment is fetched by the object's own get. What has come in loses its
 * slot and is dirty. Slots that come free meanwhile are not used again. What cannot be read is lost, as it would be at a fault, and keeps
 * nobody from going on. What finds no memory stays where it is; then the answer is ENOMEM, and the area goes on being used.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_WRITE } from '../vm/prot.js';
import type { Anon } from './anon.js';
import { anonDropSwap } from './anon.js';
import type { AnonObject } from './aobj.js';
import { ENOMEM } from './codes.js';
import { anonget } from './fault-anonget.js';
import { beginFault, endFault } from './fault-pool.js';
import { ADVICE_RANDOM } from './map.js';
import { PG_BUSY, PG_CLEAN, PG_WANTED, pageActivate, pageObject, wakePage } from './page.js';
import type { Vm } from './vm.js';

/** uvm_swap_off. Answers 0, or ENOMEM when something stays. */
export function* swapOff(vm: Vm, thread: Thread): Task<number> {
  vm.swap.closing = true;
  let left = 0;
  for (const object of [...vm.objects]) {
    if (object?.kind === 'aobj') left += yield* bringInSegment(vm, thread, object as AnonObject);
  }
  const free = new Set(vm.freeAnons);
  for (const anon of [...vm.anons]) {
    if (anon === null || free.has(anon.id) || anon.swslot <= 0) continue;
    yield* bringInAnon(vm, thread, anon);
    if (anon.swslot > 0) left++;
  }
  if (left === 0) return 0;
  vm.swap.closing = false;
  return ENOMEM;
}

/** uvm_anon_pagein. The anon keeps its slot when there was no memory, and gets the bad one when it could not be read. */
function* bringInAnon(vm: Vm, thread: Thread, anon: Anon): Task<void> {
  const f = beginFault(vm, thread, null);
  f.originalMap = null as unknown as typeof f.originalMap;
  f.amap = null;
  f.anon = anon;
  f.mayGiveUp = true;
  f.onward = ended;
  let stage = anonget(f);
  while (stage !== null) {
    if (!thread.running) yield;
    else stage = stage(f);
  }
  if (f.error === 0 && f.result === 0) {
    const { page } = anon;
    // Its place on swap goes, so the page is dirty; and somebody may have wanted it.
    anonDropSwap(vm, anon);
    vm.pages.flags[page] &= ~PG_CLEAN;
    if (vm.pages.wireCount[page] === 0) pageActivate(vm, page);
    pageObject(vm, page)?.lock.release(thread);
  }
  endFault(f);
}

function ended(): null {
  return null;
}

/** uao_pagein of every page: answers how many slots stay. */
function* bringInSegment(vm: Vm, thread: Thread, segment: AnonObject): Task<number> {
  for (const index of [...segment.slots.keys()].sort((a, b) => a - b)) {
    if (segment.slotOf(index) <= 0) continue;
    while (!segment.lock.acquire(thread)) yield;
    const waits = { fruitlessWaits: 0, mayGiveUp: true };
    const page = yield* segment.get(thread, index, PROT_WRITE, ADVICE_RANDOM, waits);
    if (page < 0) continue;
    while (!segment.lock.acquire(thread)) yield;
    segment.dropSwap(index);
    vm.pages.flags[page] &= ~PG_CLEAN;
    pageActivate(vm, page);
    wakePage(vm, page);
    vm.pages.flags[page] &= ~(PG_BUSY | PG_WANTED);
    segment.lock.release(thread);
  }
  return [...segment.slots.values()].filter((slot) => slot > 0).length;
}
