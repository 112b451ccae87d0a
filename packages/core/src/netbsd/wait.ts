/**
 * uvm_wait: sleeping until the page daemon has found memory.
 *
 * Each wait is one pass of the daemon. Who has waited eight times in vain would sleep for ever; a fault of a process then ends as LOOP,
 * anything else as a hang of the kernel (mended: as LOOP too, which a call answers as ENOMEM).
 */
import { KernelHang } from '../kernel/errors.js';
import type { Task, Thread } from '../kernel/thread.js';
import { RESERVE_KERNEL } from './page.js';
import type { Vm } from './vm.js';

/** Waits in vain that one fault may have. */
export const WAITS_MAX = 8;

/** Who is charged for waits in vain. */
export interface WaitAccount {
  fruitlessWaits: number;
  /** Whether giving up is an answer (a process's fault) or the end (everything else). */
  readonly mayGiveUp: boolean;
}

/** The account of a call that has no way to fail for want of memory: as seeded it sleeps for ever, mended it answers ENOMEM. */
export function callAccount(vm: Vm): WaitAccount {
  return { fruitlessWaits: 0, mayGiveUp: vm.mended };
}

/** Wakes the page daemon and puts the thread to sleep; the caller leaves the CPU, then asks `waitedInVain`. */
export function requestMemory(vm: Vm, thread: Thread, wmesg: string): void {
  vm.kernel.wakeup(vm.daemonChannel);
  vm.daemonWanted = true;
  vm.kernel.sleep(thread, vm.freeChannel, wmesg);
}

/** After a wait: true when it was one too many. @throws KernelHang when the account cannot give up */
export function waitedInVain(vm: Vm, thread: Thread, account: WaitAccount, wmesg: string): boolean {
  if (vm.pages.free > RESERVE_KERNEL && !vm.stillRefusing) return false;
  if (++account.fruitlessWaits < WAITS_MAX) return false;
  if (account.mayGiveUp || vm.mended) return true;
  throw new KernelHang(wmesg, `${thread.name} waits for memory that nobody can free (${wmesg})`);
}

/** uvm_wait inside a task. False: give up. */
export function* waitForMemory(vm: Vm, thread: Thread, account: WaitAccount, wmesg: string): Task<boolean> {
  requestMemory(vm, thread, wmesg);
  while (!thread.running) yield;
  return !waitedInVain(vm, thread, account, wmesg);
}

/** Sleeps until a busy page is free (UVM_UNLOCK_AND_WAIT, with everything unlocked by the caller). */
export function* waitForPage(vm: Vm, thread: Thread, page: number, wmesg: string): Task<void> {
  vm.kernel.sleep(thread, page, wmesg);
  while (!thread.running) yield;
}
