/**
 * Waiting for memory: vm_wait, vm_waitpfault, and the two that wake: pagedaemon_wakeup and vm_page_free_wakeup.
 *
 * Whoever finds memory below the target asks the daemon and sleeps. The daemon of this machine has no clock of its own: it runs when
 * somebody sleeps for it, scans until its shortage is gone, it has killed somebody, or forty scans in a row have gained
 * nothing, and then wakes everyone; who wakes looks again and decides for itself whether there is any hope. That an allocation
 * only *wants* the daemon is remembered in `pagesNeeded`, which makes the load rise.
 */
import { KernelHang } from '../kernel/errors.js';
import type { Task, Thread } from '../kernel/thread.js';
import { availablePages, countMin, countTarget, refusedForGood } from './page-alloc.js';
import type { Vm } from './vm.js';

/** vm_paging_needed. */
function pagingNeeded(vm: Vm): boolean {
  const { freeMin, cacheMin } = vm.thresholds;
  return freeMin + cacheMin > availablePages(vm) || freeMin > vm.pages.freeCount;
}

/** pagedaemon_wakeup: after an allocation, or when a page leaves the cache. */
export function pagedaemonWakeup(vm: Vm): void {
  if (vm.pageDaemonRuns || !pagingNeeded(vm)) return;
  if (vm.pagesNeeded === 0) vm.pagesNeeded = 1;
  else if (countMin(vm)) vm.pagesNeeded++;
}

/** vm_page_free_wakeup: a page has become available. All waiters go on at the target, one at the minimum. */
export function freeWakeup(vm: Vm): void {
  if (vm.pagesWaiting === 0) return;
  if (!countTarget(vm)) {
    vm.pagesWaiting = 0;
    vm.kernel.wakeup(vm.freeCountChannel);
  } else if (!countMin(vm)) {
    vm.pagesWaiting--;
    vm.kernel.wakeupOne(vm.freeCountChannel);
  }
}

/**
 * Puts the thread to sleep until the daemon has done what it can; the caller leaves the CPU. Answers false, and nothing happens, where
 * memory is at its target.
 */
export function sleepForMemory(vm: Vm, thread: Thread, wmesg: string): boolean {
  if (!countTarget(vm)) return false;
  if (vm.pagesNeeded === 0) vm.pagesNeeded = 1;
  vm.pagesWaiting++;
  vm.memoryWaiters.add(thread);
  vm.kernel.wakeup(vm.daemonChannel);
  vm.kernel.sleep(thread, vm.freeCountChannel, wmesg);
  return true;
}

/** vm_wait inside a task: comes back whether memory came or not, as after its time-out. */
export function* waitForMemory(vm: Vm, thread: Thread): Task<void> {
  if (sleepForMemory(vm, thread, 'vmwait')) yield;
}

/**
 * vm_wait(0) of who goes round until memory comes. False, mended only, when the page daemon can free nothing more.
 * @throws KernelHang instead, as seeded: the kernel would go round for ever
 */
export function* waitForMemoryOrHang(vm: Vm, thread: Thread): Task<boolean> {
  const before = availablePages(vm);
  const deaths = vm.deaths;
  yield* waitForMemory(vm, thread);
  const hope = availablePages(vm) > before || vm.deaths !== deaths || !countTarget(vm);
  if (hope && !refusedForGood(vm)) return true;
  if (vm.mended) return false;
  throw new KernelHang('vmwait', `${thread.name} waits for memory that nobody can free`);
}
