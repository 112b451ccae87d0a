/**
 * uvmspace_fork: a child's address space, entry by entry.
 *
 * No pages and no translations are copied. A shared entry gets the same amap and object; a copied one refers to both as well, but both sides
 * lose the permission to write, and whoever writes first gets an amap of its own. Two cases cannot wait: an amap that the parent shares
 * with others (the child takes its copy of the amap at once), and a wired parent, which may not fault (the pages are copied).
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_WRITE } from '../vm/prot.js';
import { amapRef } from './amap.js';
import { amapCopy, amapCowNow } from './amap-copy.js';
import type { MapEntry, VmMap } from './map.js';
import { INHERIT_NONE, INHERIT_SHARE, lockMap, UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY, unlockMap } from './map.js';
import type { Vm } from './vm.js';
import { kernelAccount, waitForMemory } from './wait.js';

export function* forkMap(vm: Vm, thread: Thread, parent: VmMap, child: VmMap): Task<void> {
  yield* lockMap(vm, parent, thread);
  for (let entry = parent.header.next; !parent.isHead(entry); entry = entry.next) {
    if (entry.inheritance === INHERIT_NONE) continue;
    if (entry.inheritance === INHERIT_SHARE) yield* shareEntry(vm, thread, parent, child, entry);
    else yield* copyEntry(vm, thread, parent, child, entry);
  }
  unlockMap(parent, thread);
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
function* ownAmap(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry): Task<void> {
  const account = kernelAccount();
  for (;;) {
    amapCopy(vm, map, entry, false, 0, 0);
    if ((entry.etype & UVM_ET_NEEDSCOPY) === 0) return;
    yield* waitForMemory(vm, thread, account, 'amapcopy');
  }
}

function* shareEntry(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<void> {
  // What is left over from an earlier fork is settled first: there must be something of our own to share.
  if ((entry.etype & UVM_ET_NEEDSCOPY) !== 0) yield* ownAmap(vm, thread, parent, entry);
  linkCopy(vm, child, entry, true);
}

function* copyEntry(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<void> {
  const copy = linkCopy(vm, child, entry, false);
  copy.etype |= UVM_ET_COPYONWRITE | UVM_ET_NEEDSCOPY;
  const wired = entry.wiredCount > 0;
  if (entry.amap?.shared === true) vm.everCopiedShared = true;
  if (entry.amap !== null && (entry.amap.shared || wired)) yield* ownAmap(vm, thread, child, copy);
  if (wired) {
    if (entry.amap !== null) yield* amapCowNow(vm, thread, copy);
  } else if (entry.amap !== null && (entry.etype & UVM_ET_NEEDSCOPY) === 0) {
    if ((entry.maxProtection & PROT_WRITE) !== 0) {
      vm.pmap.protect(parent.pmap, entry.start, entry.end, entry.protection & ~PROT_WRITE);
    }
    // As seeded also when the entry shares its amap, which thereby ends at the parent's next write (oddity 14).
    entry.etype |= UVM_ET_NEEDSCOPY;
  }
}
