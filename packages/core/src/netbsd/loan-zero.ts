/**
 * uvm_loanzero_object: the page of zeros that is lent where a copy-on-write range has nothing yet. One page, made at the first loan, kept
 * for ever: the page daemon may ask for it, and gets nothing.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { EIO } from './codes.js';
import { immediately } from './io.js';
import { PGO_FREE, UvmObject } from './object.js';
import { pageActivate } from './page.js';
import type { Vm } from './vm.js';

export class LoanZeroObject extends UvmObject {
  readonly kind = 'loanzero';

  constructor(vm: Vm) {
    super(vm, 'loanzero');
  }

  override detach(): Task<void> {
    return immediately(undefined);
  }

  override getLocked(): number {
    return EIO;
  }

  override get(): Task<number> {
    return immediately(-EIO);
  }

  /** ulz_put: the page is made active again, or leaves the queues while no anon has it. */
  override put(thread: Thread, _start: number, _end: number, flags: number): Task<number> {
    if ((flags & PGO_FREE) !== 0 && this.first >= 0) {
      const { pages } = this.vm;
      if (pages.anon[this.first] !== 0) pageActivate(this.vm, this.first);
      else pages.queues.remove(this.first);
    }
    this.lock.release(thread);
    return immediately(0);
  }
}
