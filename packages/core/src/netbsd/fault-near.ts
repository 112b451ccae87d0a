/**
 * The window of a fault: what else of the range is resident and can be mapped on the occasion.
 *
 * First the amap's anons, each mapped without pretending an access and never writable while another amap holds it. Sequential advice
 * turns the pages behind into candidates for the page daemon instead. Then, if no anon is at the center, the object is asked for what it
 * has of the places where no anon was found. A neighbour that the pmap refuses is not missed.
 */
import { PROT_WRITE } from '../vm/prot.js';
import type { Anon } from './anon.js';
import { upper } from './fault-case1.js';
import { lowerPage, zeroFill } from './fault-case2.js';
import { deviceFault } from './fault-device.js';
import { stepTask } from './fault-lock.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { ADVICE_SEQUENTIAL, entryMask } from './map.js';
import type { UvmObject } from './object.js';
import { NO_PAGE, PGO_DEACTIVATE, PGO_DONTCARE } from './object.js';
import { PG_BUSY, PG_RDONLY, pageActivate, pageDeactivate, pageHas } from './page.js';

/** Locks the amap, and sees which anons there are. */
export function layers(f: Fault): FaultStage | null {
  const { amap, entry } = f;
  if (amap === null) {
    branch(f, 'F59');
  } else {
    if (!amap.lock.acquire(f.thread)) return layers;
    branch(f, 'F58');
    const slot = entry.pageoff + f.startva - entry.start;
    for (let i = 0; i < f.npages; i++) f.anons[i] = amap.anons[slot + i];
  }
  if (entry.advice === ADVICE_SEQUENTIAL && f.nback !== 0) {
    branch(f, 'F60');
    return flushBehind(f);
  }
  return neighbours(f);
}

// ---- sequential advice -----------------------------------------------------------------------------------------------

/** The reader will not come back soon: what lies behind goes to the inactive queue, and out of the window. */
function flushBehind(f: Fault): FaultStage | null {
  const { vm, uobj } = f;
  if (f.amap !== null) {
    branch(f, 'F61');
    anonFlush(f, f.nback);
  }
  if (uobj === null || (!uobj.hasPut && !vm.deadly)) return forgetBehind(f);
  // As seeded a device is asked as well, through a null pointer (oddity 3).
  branch(f, 'F62');
  return flushObject;
}

function flushObject(f: Fault): FaultStage | null {
  const uobj = f.uobj as UvmObject;
  if (!uobj.lock.acquire(f.thread)) return flushObject;
  const from = f.entry.offset + f.startva - f.entry.start;
  f.task = uobj.put(f.thread, from, from + f.nback, PGO_DEACTIVATE, false);
  f.afterWait = forgetBehind;
  return stepTask;
}

function forgetBehind(f: Fault): FaultStage | null {
  for (let i = 0; i + f.nback < f.npages; i++) f.anons[i] = f.anons[i + f.nback];
  f.startva += f.nback;
  f.npages -= f.nback;
  f.nback = 0;
  f.center = 0;
  return neighbours(f);
}

/** uvmfault_anonflush. */
function anonFlush(f: Fault, count: number): void {
  const { vm } = f;
  for (let i = 0; i < count; i++) {
    const anon = f.anons[i];
    f.at = f.startva + i;
    if (anon === null) {
      branch(f, 'F1');
    } else if (anon.page < 0 || pageHas(vm, anon.page, PG_BUSY)) {
      branch(f, 'F2');
    } else if (vm.pages.wireCount[anon.page] !== 0) {
      branch(f, 'F3');
    } else {
      branch(f, 'F4');
      pageDeactivate(vm, anon.page);
    }
  }
}

// ---- neighbours in the amap ------------------------------------------------------------------------------------------

function neighbours(f: Fault): FaultStage | null {
  const { vm, pages } = f;
  f.shadowed = false;
  for (let i = 0; i < f.npages; i++) {
    f.at = f.startva + i;
    if (i !== f.center && vm.pmap.extract(f.originalMap.pmap, f.startva + i) >= 0) {
      branch(f, 'F63');
      pages[i] = PGO_DONTCARE;
    } else if (f.amap === null || f.anons[i] === null) {
      branch(f, 'F64');
      pages[i] = NO_PAGE;
    } else {
      pages[i] = PGO_DONTCARE;
      if (i === f.center) {
        branch(f, 'F65');
        f.shadowed = true;
      } else {
        mapNeighbour(f, f.anons[i] as Anon, f.startva + i);
      }
    }
  }
  if (f.shadowed) {
    branch(f, 'F79');
    return upper(f);
  }
  if (f.uobj !== null) return lower;
  branch(f, 'F79');
  return zeroFill(f);
}

/** Maps a neighbour's anon if its page is there and nobody else's business. */
function mapNeighbour(f: Fault, anon: Anon, vpn: number): void {
  const { vm } = f;
  const { page } = anon;
  if (page < 0 || vm.pages.loanCount[page] !== 0 || pageHas(vm, page, PG_BUSY)) {
    branch(f, 'F69');
    return;
  }
  branch(f, 'F66');
  pageActivate(vm, page);
  vm.counters.fltnamap++;
  let prot = f.enterProt;
  if (anon.ref > 1) {
    branch(f, 'F67');
    prot &= ~PROT_WRITE;
  }
  // The entry's wiring counts here, not the fault's; and the page itself is not wired (oddities 5 and 6).
  const wired = f.entry.wiredCount > 0;
  if (wired) branch(f, 'F68');
  vm.pmap.enter(f.originalMap.pmap, vpn, page, prot, 0, wired);
}

// ---- the object ------------------------------------------------------------------------------------------------------

/** No anon at the center: the object handles the fault itself, or is asked for what it has at hand. */
export function lower(f: Fault): FaultStage | null {
  const uobj = f.uobj as UvmObject;
  if (!uobj.lock.acquire(f.thread)) return lower;
  f.vm.machine.clock.advance(f.vm.machine.costs.objectStep);
  if (uobj.hasFault) {
    branch(f, 'F70');
    return deviceFault(f);
  }
  branch(f, 'F73');
  f.vm.counters.fltlget++;
  const index = f.entry.offset + f.startva - f.entry.start;
  uobj.getLocked(index, f.pages, f.npages, f.center, f.accessType & entryMask(f.entry));
  f.uobjpage = NO_PAGE;
  for (let i = 0; i < f.npages; i++) {
    const page = f.pages[i];
    f.at = f.startva + i;
    if (page < 0) {
      branch(f, 'F74');
    } else if (i === f.center) {
      f.uobjpage = page;
      branch(f, 'F75');
    } else {
      mapObjectNeighbour(f, uobj, page, f.startva + i);
    }
  }
  return lowerPage(f);
}

function mapObjectNeighbour(f: Fault, uobj: UvmObject, page: number, vpn: number): void {
  const { vm } = f;
  pageActivate(vm, page);
  vm.counters.fltnomap++;
  let prot = f.enterProt;
  if (pageHas(vm, page, PG_RDONLY) || vm.pages.loanCount[page] > 0 || uobj.needsWriteFault) {
    branch(f, 'F76');
    prot &= ~PROT_WRITE;
  } else {
    branch(f, 'F77');
    prot &= entryMask(f.entry);
  }
  if (f.wired) branch(f, 'F78');
  vm.pmap.enter(f.originalMap.pmap, vpn, page, prot, 0, f.wired);
  vm.pages.flags[page] &= ~PG_BUSY;
}
