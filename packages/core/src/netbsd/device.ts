/**
 * uvm_device: memory of a device, outside the page pool.
 *
 * One object for each device, with a reference for each mapping. It handles its faults by itself: one page at a time, at the entry's own
 * protection, never wired. It has no pages in any queue and nothing to write.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { VmDevice } from '../vm/system.js';
import { EIO } from './codes.js';
import { immediately } from './io.js';
import { UvmObject } from './object.js';
import type { Vm } from './vm.js';

export class DeviceObject extends UvmObject {
  readonly kind = 'device';

  constructor(
    vm: Vm,
    readonly device: DeviceHandle,
  ) {
    super(vm, device.name);
  }

  override get hasFault(): boolean {
    return true;
  }

  override get hasPut(): boolean {
    return false;
  }

  /** udv_detach. */
  override detach(): Task<void> {
    if (--this.refs === 0) {
      this.device.object = null;
      this.retire();
    }
    return immediately(undefined);
  }

  override getLocked(): number {
    return EIO;
  }

  override get(thread: Thread): Task<number> {
    this.lock.release(thread);
    return immediately(-EIO);
  }

  /** There is none: the seed jumps through a null pointer (oddity 3). */
  override put(): Task<number> {
    return this.vm.panic('uvm_fault: jump through a null pgo_put');
  }
}

/** A device that can be mapped. */
export class DeviceHandle implements VmDevice {
  object: DeviceObject | null = null;

  constructor(
    readonly name: string,
    /** Length in pages. */
    readonly pages: number,
    /** Frame of page 0. */
    readonly firstFrame: number,
  ) {}

  /** The device's mmap routine: the frame of a page, or -1 when it refuses. */
  frameOf(page: number): number {
    return page >= 0 && page < this.pages ? this.firstFrame + page : -1;
  }
}

/** udv_attach: the device's object with one reference more, or null when the device refuses some page of the range. */
export function deviceAttach(vm: Vm, device: DeviceHandle, first: number, pages: number): DeviceObject | null {
  if (first < 0 || first + pages > device.pages) return null;
  if (device.object === null) device.object = new DeviceObject(vm, device);
  else device.object.reference();
  return device.object;
}
