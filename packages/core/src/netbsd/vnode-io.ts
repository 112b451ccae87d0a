/**
 * Transfers of files: runs of pages that are to be filled, and clusters of pages that are to be written.
 *
 * A run is one transfer. What lies past the end of the file reads as zeros and is never written. Transfers of reads can be ordered to
 * fail, by the page that they include.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { ioResult, whenIoDone } from './io.js';
import { PG_FAKE, pageHas } from './page.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';

export interface OrderedFileErrors {
  readonly page: number;
  readonly error: number;
  count: number;
}

/** Neighbouring pages to be filled with one transfer. */
interface Run {
  readonly index: number;
  readonly pages: number[];
}

function runsToFill(vm: Vm, start: number, pages: readonly number[]): Run[] {
  const runs: Run[] = [];
  let open: Run | null = null;
  for (let i = 0; i < pages.length; i++) {
    if (!pageHas(vm, pages[i], PG_FAKE)) {
      open = null;
    } else if (open === null) {
      open = { index: start + i, pages: [pages[i]] };
      runs.push(open);
    } else {
      open.pages.push(pages[i]);
    }
  }
  return runs;
}

/** Whether the run was ordered to fail: the errno, or 0. */
function orderedError(vnode: VnodeObject, run: Run): number {
  const order = vnode.orderedError;
  if (order === null || order.count === 0) return 0;
  if (order.page < run.index || order.page >= run.index + run.pages.length) return 0;
  order.count--;
  return order.error;
}

function readRun(vm: Vm, vnode: VnodeObject, run: Run): IoResult | Promise<IoResult> {
  vm.counters.vnode_reads++;
  vm.counters.vnode_pages_read += run.pages.length;
  vm.machine.disk.read(vnode.diskPage + run.index, run.pages.length);
  const error = orderedError(vnode, run);
  if (error !== 0) return -error;
  const { memory } = vm.machine;
  if (memory.bytes === null) return 0;
  zeroTail(vm, vnode, run);
  const buffers = buffersUpTo(vm, run.pages, vnode.end - run.index * PAGE_SIZE);
  return buffers.length === 0 ? 0 : vnode.store.read(run.index * PAGE_SIZE, buffers);
}

/** Bytes of a run that the store has. */
function wantedOf(vm: Vm, vnode: VnodeObject, run: Run): number {
  if (vm.machine.memory.bytes === null) return 0;
  return Math.max(Math.min(vnode.store.size() - run.index * PAGE_SIZE, run.pages.length * PAGE_SIZE), 0);
}

/** Zeros what the store will not fill. */
function zeroTail(vm: Vm, vnode: VnodeObject, run: Run): void {
  const left = vnode.end - run.index * PAGE_SIZE;
  for (let i = 0; i < run.pages.length; i++) {
    const filled = Math.min(Math.max(left - i * PAGE_SIZE, 0), PAGE_SIZE);
    if (filled < PAGE_SIZE) vm.machine.memory.zeroPart(run.pages[i], filled, PAGE_SIZE);
  }
}

/** The first `bytes` bytes of the pages. */
function buffersUpTo(vm: Vm, pages: readonly number[], bytes: number): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  let left = bytes;
  for (const page of pages) {
    if (left <= 0) break;
    buffers.push((vm.machine.memory.frameBytes(page) as Uint8Array).subarray(0, Math.min(left, PAGE_SIZE)));
    left -= PAGE_SIZE;
  }
  return buffers;
}

/** Fills those of the busy `pages` (from index `start`) that are not valid yet. Answers 0 or the first errno. */
export function* readRuns(
  vm: Vm,
  thread: Thread,
  vnode: VnodeObject,
  start: number,
  pages: readonly number[],
): Task<number> {
  let error = 0;
  for (const run of runsToFill(vm, start, pages)) {
    const result = yield* ioResult(vm, thread, readRun(vm, vnode, run), wantedOf(vm, vnode, run), 'biowait');
    if (result < 0 && error === 0) error = -result;
  }
  return error;
}

/** The same without waiting: `done` hears the first errno, or 0, when all of it is there. */
export function startReadRuns(
  vm: Vm,
  vnode: VnodeObject,
  start: number,
  pages: readonly number[],
  done: (error: number) => void,
): void {
  const runs = runsToFill(vm, start, pages);
  let left = runs.length;
  let error = 0;
  for (const run of runs) {
    whenIoDone(vm, readRun(vm, vnode, run), wantedOf(vm, vnode, run), (result) => {
      if (result < 0 && error === 0) error = -result;
      if (--left === 0) done(error);
    });
  }
}

/** Writes neighbouring pages with one transfer, up to the end of the file. Answers 0 or an errno. */
export function* writeRun(
  vm: Vm,
  thread: Thread,
  vnode: VnodeObject,
  index: number,
  pages: readonly number[],
): Task<number> {
  vm.counters.vnode_writes++;
  vm.counters.vnode_pages_written += pages.length;
  vm.machine.disk.write(vnode.diskPage + index, pages.length);
  const { memory } = vm.machine;
  if (memory.bytes === null) return 0;
  const buffers = buffersUpTo(vm, pages, vnode.end - index * PAGE_SIZE);
  if (buffers.length === 0) return 0;
  const wanted = buffers.reduce((sum, { length }) => sum + length, 0);
  const result = yield* ioResult(vm, thread, vnode.store.write(index * PAGE_SIZE, buffers), wanted, 'biowait');
  return result < 0 ? -result : 0;
}
