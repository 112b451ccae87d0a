/**
 * dev_pager: memory of a device, outside the page pool.
 *
 * A page is made when it is first faulted: fictitious, wired from birth, on no queue, never paged. The page that the fault had
 * allocated for the place is freed. So every first touch waits on a pager and counts as major.
 */
import type { VmDevice } from '../vm/system.js';
import { VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJT_DEVICE, objectAllocate } from './object.js';
import { PG_BUSY, PG_FICTITIOUS, pageHasFlag, pageIndex, pageInsert, pageSetValid } from './page.js';
import { pageFree } from './page-alloc.js';
import type { Vm } from './vm.js';

export class DeviceHandle implements VmDevice {
  object: VmObject | null = null;

  constructor(
    readonly name: string,
    /** Length in pages. */
    readonly pages: number,
    /** Frame of page 0. */
    readonly firstFrame: number,
  ) {}
}

/** dev_pager_alloc: the device's object, large enough for pages up to `end`, with one reference more. */
export function deviceObject(vm: Vm, device: DeviceHandle, end: number): VmObject {
  if (device.object === null) {
    device.object = objectAllocate(vm, OBJT_DEVICE, end, device);
    return device.object;
  }
  device.object.refCount++;
  if (device.object.size < end) device.object.size = end;
  return device.object;
}

/** dev_pager_getpage: frees what it was given and puts the device's own page in its place, busy. */
export function deviceGetPage(vm: Vm, object: VmObject, page: number): number {
  if (pageHasFlag(vm, page, PG_FICTITIOUS)) return VM_PAGER_OK;
  const pindex = pageIndex(vm, page);
  pageFree(vm, page);
  const frame = (object.handle as DeviceHandle).firstFrame + pindex;
  vm.pages.flags[frame] = PG_FICTITIOUS | PG_BUSY;
  vm.pages.wireCount[frame] = 1;
  pageSetValid(vm, frame);
  pageInsert(vm, frame, object, pindex);
  return VM_PAGER_OK;
}
