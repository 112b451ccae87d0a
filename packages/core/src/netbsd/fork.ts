/**
 * uvmspace_fork: a child's address space, entry by entry.
 *
 * No pages and no translations are copied. A shared entry gets the same amap and object; a copied one refers to both as well, but both sides
 * lose the permission to write, and whoever writes first gets an amap of its own. Two cases cannot wait: an amap that the parent shares
 * with others (the child takes its copy of the amap at once), and a wired parent, which may not fault (the pages are copied).
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_WRITE } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { amapLookup, amapRef } from './amap.js';
import { amapCopy, amapCowNow } from './amap-copy.js';
import type { MapEntry, VmMap } from './map.js';
import { INHERIT_NONE, INHERIT_SHARE, lockMap, UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY, unlockMap } from './map.js';
import { forkNeeds } from './reserve.js';
import type { Vm } from './vm.js';
import { callAccount, waitForMemory } from './wait.js';

/** False when memory ran out, which as seeded is waited for for ever; what the child has by then is the caller's to take down. */
export function* forkMap(vm: Vm, thread: Thread, parent: VmMap, child: VmMap): Task<boolean> {
  yield* lockMap(vm, parent, thread);
  let done = reserves(vm, () => forkNeeds(parent));
  for (let entry = parent.header.next; done && !parent.isHead(entry); entry = entry.next) {
    if (entry.inheritance === INHERIT_NONE) continue;
    if (entry.inheritance === INHERIT_SHARE) done = yield* shareEntry(vm, thread, parent, child, entry);
    else done = yield* copyEntry(vm, thread, parent, child, entry);
  }
  unlockMap(parent, thread);
  return done;
}

/** The child's entry: the same, with references of its own, and nothing wired. */
function linkCopy(vm: Vm, child: VmMap, entry: MapEntry, shared: boolean): MapEntry {
  const copy = entry.clone();
  copy.wiredCount = 0;
  if (copy.amap !== null) amapRef(vm, copy.amap, copy.pageoff, copy.end - copy.start, shared);
  copy.object?.reference();
  child.link(copy);
  return copy;
}

/** amap_copy with patience: the kernel sleeps for the amap. */
function* ownAmap(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry): Task<boolean> {
  const account = callAccount(vm);
  for (;;) {
    amapCopy(vm, map, entry, false, 0, 0);
    if ((entry.etype & UVM_ET_NEEDSCOPY) === 0) return true;
    if (!(yield* waitForMemory(vm, thread, account, 'amapcopy'))) return false;
  }
}

function* shareEntry(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<boolean> {
  // What is left over from an earlier fork is settled first: there must be something of our own to share.
  if ((entry.etype & UVM_ET_NEEDSCOPY) !== 0 && !(yield* ownAmap(vm, thread, parent, entry))) return false;
  linkCopy(vm, child, entry, true);
  return true;
}

function* copyEntry(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<boolean> {
  const copy = linkCopy(vm, child, entry, false);
  copy.etype |= UVM_ET_COPYONWRITE | UVM_ET_NEEDSCOPY;
  const wired = entry.wiredCount > 0;
  const shared = entry.amap?.shared === true;
  if (shared && !vm.mended) vm.everCopiedShared = true;
  if (entry.amap !== null && (shared || wired) && !(yield* ownAmap(vm, thread, child, copy))) return false;
  if (wired) return entry.amap === null || (yield* amapCowNow(vm, thread, copy));
  if (shared && vm.mended) return yield* leaveShared(vm, thread, copy);
  if (entry.amap !== null && (entry.etype & UVM_ET_NEEDSCOPY) === 0) {
    if ((entry.maxProtection & PROT_WRITE) !== 0) {
      vm.pmap.protect(parent.pmap, entry.start, entry.end, entry.protection & ~PROT_WRITE);
    }
    // As seeded also when the entry shares its amap, which thereby ends at the parent's next write (oddity 14).
    entry.etype |= UVM_ET_NEEDSCOPY;
  }
  return true;
}

/**
 * Mended, the parent goes on sharing (oddity 14): none of those who share may write to a page that the child holds as well, until it has
 * been copied for all of them. A page that some of them have wired may not be replaced, so the child gets its copy now.
 */
function* leaveShared(vm: Vm, thread: Thread, copy: MapEntry): Task<boolean> {
  if (!(yield* amapCowNow(vm, thread, copy, true))) return false;
  for (let vpn = copy.start; vpn < copy.end; vpn++) {
    const page = amapLookup(copy, vpn)?.page ?? -1;
    if (page >= 0) vm.pmap.protectPage(page);
  }
  return true;
}
