/**
 * Waiting for memory: VM_WAIT and VM_WAITPFAULT.
 *
 * Who waits wakes the page daemon and sleeps until free and cached pages are `freeMin` again. A daemon that cannot get there gives up
 * and says so; the waiter, who in the kernel would sleep for ever, then gets an answer instead.
 */
import { KernelHang } from '../kernel/errors.js';
import type { Task, Thread } from '../kernel/thread.js';
import { countMin } from './page-alloc.js';
import type { Vm } from './vm.js';

/** Refusals in a row after which a test that makes allocations fail is believed. */
const REFUSALS_MAX = 10;

/** Puts the thread to sleep until memory may be had; the caller leaves the CPU and then looks at `vm.memoryExhausted`. */
export function requestMemory(vm: Vm, thread: Thread, wmesg: string): void {
  vm.memoryExhausted = false;
  if (!vm.pagesNeeded) {
    vm.pagesNeeded = true;
    vm.counters.v_pdwakeups++;
    vm.kernel.wakeup(vm.daemonChannel);
  }
  vm.kernel.sleep(thread, vm.freeCountChannel, wmesg);
}

/**
 * VM_WAIT inside a task. Answers false when the page daemon can free nothing more.
 * @throws KernelHang instead, as seeded: the kernel would wait for ever
 */
export function* waitForMemory(vm: Vm, thread: Thread): Task<boolean> {
  requestMemory(vm, thread, 'vmwait');
  yield;
  if (!vm.memoryExhausted) return true;
  if (vm.mended) return false;
  throw new KernelHang('vmwait', `${thread.name} waits for memory that nobody can free`);
}

/** The page daemon's answer: enough, or all that could be done. */
export function answerWaiters(vm: Vm): void {
  vm.memoryExhausted = countMin(vm) || vm.refusals > REFUSALS_MAX;
  vm.pagesNeeded = false;
  vm.kernel.wakeup(vm.freeCountChannel);
}
