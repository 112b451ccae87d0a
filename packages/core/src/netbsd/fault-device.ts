/**
 * udv_fault: a fault on a device.
 *
 * Only the faulting page is entered, at the protection of the entry and counted as accessed that way; as seeded wiring is not spoken of
 * (oddity 20). Everything is unlocked on the way out, whatever it is.
 */
import { EIO, ERESTART } from './codes.js';
import type { DeviceObject } from './device.js';
import { lookup } from './fault.js';
import { fail } from './fault-finish.js';
import { unlockAll, waitForRam } from './fault-lock.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { UVM_ET_COPYONWRITE } from './map.js';

/** Entered with map, amap and object locked. */
export function deviceFault(f: Fault): FaultStage | null {
  const error = enterDevicePage(f);
  unlockAll(f, f.amap, f.uobj);
  if (error === ERESTART) return waitForRam(f, 'udv_fault', deviceRefault);
  branch(f, 'F72');
  return fail(f, error);
}

function deviceRefault(f: Fault): FaultStage {
  branch(f, 'F71');
  return lookup;
}

function enterDevicePage(f: Fault): number {
  const { entry } = f;
  if ((entry.etype & UVM_ET_COPYONWRITE) !== 0) return EIO;
  const { device } = f.uobj as DeviceObject;
  const frame = device.frameOf(entry.offset + f.vaddr - entry.start);
  if (frame < 0) return EIO;
  const { vm } = f;
  const prot = vm.mended ? f.enterProt : entry.protection;
  const wired = vm.mended && f.wired;
  return vm.pmap.enter(f.originalMap.pmap, f.vaddr, frame, prot, prot, wired) ? 0 : ERESTART;
}
