/**
 * dev_pager: memory of a device, outside the page pool.
 *
 * The first mapping of a device makes its object and all its pages at once: fictitious, wired from birth, on no queue. A fault finds them
 * resident; the pager itself is only ever asked for a place beyond the object, and refuses. A second mapping shares the object,
 * whatever its own size.
 */
import type { VmDevice } from '../vm/system.js';
import { VM_PAGER_BAD } from './kern.js';
import type { VmObject } from './object.js';
import { OBJ_INTERNAL, objectAllocate, objectEnter, objectLookup, objectSetPager } from './object.js';
import { PG_FICTITIOUS, pageInit, pageInsert, pageSet, pageWakeup } from './page.js';
import { PG_DEVICE } from './pager.js';
import type { Vm } from './vm.js';

export class DeviceHandle implements VmDevice {
  /** Its pager while it is mapped. */
  pager: DevicePager | null = null;

  constructor(
    readonly name: string,
    /** Length in pages. */
    readonly pages: number,
    /** Frame of page 0. */
    readonly firstFrame: number,
  ) {}
}

export class DevicePager {
  readonly type = PG_DEVICE;
  object: VmObject | null = null;

  constructor(readonly device: DeviceHandle) {}
}

/** dev_pager_alloc: the device's object with a reference for the caller, or null when the device cannot show so many pages. */
export function deviceObject(vm: Vm, device: DeviceHandle, pages: number): VmObject | null {
  if (device.pager !== null) return objectLookup(vm, device.pager);
  if (pages > device.pages) return null;
  const pager = new DevicePager(device);
  const object = objectAllocate(vm, pages);
  object.flags &= ~OBJ_INTERNAL;
  objectEnter(object, pager);
  objectSetPager(object, pager, 0);
  for (let pindex = 0; pindex < pages; pindex++) {
    const page = device.firstFrame + pindex;
    pageInit(vm, page);
    pageInsert(vm, page, object, pindex);
    vm.pages.wireCount[page] = 1;
    pageSet(vm, page, PG_FICTITIOUS);
    pageWakeup(vm, page);
  }
  device.pager = pager;
  return object;
}

/** dev_pager_getpage: all there is was resident from the beginning. */
export function deviceGet(): number {
  return VM_PAGER_BAD;
}

/** dev_pager_putpage. */
export function devicePut(vm: Vm): never {
  return vm.panic('dev_pager_putpage called');
}

/** dev_pager_dealloc. */
export function deviceDeallocate(pager: DevicePager): void {
  pager.device.pager = null;
}
