/**
 * The invariants of a FreeBSD machine at rest, that is between two calls: what must hold whatever was done before.
 *
 * - Every frame of the pool is in exactly one state, and the queues, the hash and the objects' lists agree on which.
 * - Every reference, shadow and paging count equals what is found by walking everything.
 * - Every swap block has one owner or is free.
 * - Every translation is what a fresh look-up would allow, and nothing that a CPU remembers goes beyond its page table.
 *
 * The check walks everything; it is for tests and exploration. It throws the first violation, naming what it met.
 */
import { InvariantError } from '../kernel/errors.js';
import { checkMaps } from './check-maps.js';
import { checkPages } from './check-pages.js';
import { checkTranslations } from './check-translations.js';
import { objectTypeName } from './describe.js';
import type { VmMap } from './map-entry.js';
import { MAP_ENTRY_IS_SUB_MAP } from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJT_SWAP, OBJT_VNODE } from './object.js';
import type { Vm } from './vm.js';

/** An address space and whose it is. */
export interface NamedMap {
  readonly name: string;
  readonly map: VmMap;
}

/** Throws an InvariantError unless `holds`. */
export function insist(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new InvariantError(text());
}

/** An object as the messages name it. */
export function nameOf(object: VmObject): string {
  return `object ${object.id} (${objectTypeName(object)})`;
}

/** @throws InvariantError naming the first invariant that does not hold */
export function checkInvariants(vm: Vm, maps: readonly NamedMap[]): void {
  checkPages(vm);
  for (const { name, map } of maps) checkMaps(name, map);
  checkObjects(vm, maps);
  checkSwap(vm);
  checkTranslations(vm, maps);
}

/** References that entries and shadows hold, by object. */
function countReferences(vm: Vm, maps: readonly NamedMap[]): Map<VmObject, number> {
  const found = new Map<VmObject, number>();
  const add = (object: VmObject | null): void => {
    if (object !== null) found.set(object, (found.get(object) ?? 0) + 1);
  };
  for (const { map } of maps) {
    for (const entry of map.index) if ((entry.eflags & MAP_ENTRY_IS_SUB_MAP) === 0) add(entry.object);
  }
  for (const object of vm.objects) add(object?.backing ?? null);
  return found;
}

function checkObjects(vm: Vm, maps: readonly NamedMap[]): void {
  const references = countReferences(vm, maps);
  for (const object of vm.objects) {
    if (object === null) continue;
    const found = references.get(object) ?? 0;
    insist(
      object.refCount === found,
      () => `${nameOf(object)} counts ${object.refCount} references, ${found} are found`,
    );
    insist(object.refCount > 0 || object.type === OBJT_VNODE, () => `${nameOf(object)} lives without a reference`);
    insist(
      object.shadowCount === object.shadows.size,
      () => `${nameOf(object)} counts ${object.shadowCount} shadows, its list has ${object.shadows.size}`,
    );
    for (const shadow of object.shadows) {
      insist(
        shadow.backing === object,
        () => `${nameOf(shadow)} is on the list of ${nameOf(object)} but shadows another`,
      );
    }
    insist(
      object.backing === null || object.backing.shadows.has(object),
      () => `${nameOf(object)} is not on the list of the object that it shadows`,
    );
    insist(
      object.pagingInProgress === 0,
      () => `${nameOf(object)} counts ${object.pagingInProgress} paging operations at rest`,
    );
    insist(object.lock.owner === null, () => `${nameOf(object)} is locked by ${object.lock.owner?.name} at rest`);
  }
}

function checkSwap(vm: Vm): void {
  const owners = new Map<number, VmObject>();
  for (const object of vm.objects) {
    if (object === null) continue;
    insist(
      object.type !== OBJT_SWAP || object.swap !== null,
      () => `${nameOf(object)} is of swap type but has no swap meta-data`,
    );
    for (const [pindex, block] of object.swap?.entries() ?? []) {
      const other = owners.get(block);
      insist(
        other === undefined,
        () => `swap block ${block} belongs to ${nameOf(object)} and to ${nameOf(other as VmObject)}`,
      );
      insist(
        !vm.swapArea.isFree(block),
        () => `swap block ${block} is free, and page ${pindex} of ${nameOf(object)} has it`,
      );
      owners.set(block, object);
    }
  }
  const used = vm.swapArea.blocks - vm.swapArea.freeBlocks;
  insist(used === owners.size, () => `${used} swap blocks are taken, ${owners.size} have an owner`);
}
