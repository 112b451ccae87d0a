/**
 * Invariants of the whole system: maps, objects, references, swap. What holds of single frames and translations is in `check-pages.ts`.
 *
 * To be called while no thread is inside the kernel: then no fault holds a reference, and only writes to swap that no clean-up has finished
 * keep pages busy. The checks are exact. Two of them are given up for good once a seeded defect has spoilt what they speak of
 * (`vm.wiringAstray`, `vm.permissionsAstray`): wire counts, and permissions of translations.
 */
import { InvariantError } from '../kernel/errors.js';
import { checkPages, checkTranslations } from './check-pages.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import { cachedCount } from './object-end.js';
import { pageIndex, pageLookup } from './page.js';
import { PG_SWAP } from './pager.js';
import type { CsrgProcess } from './process.js';
import type { Vm } from './vm.js';
import { VM_CACHE_MAX } from './vm.js';

/** Throws InvariantError unless the condition holds. */
export function must(holds: boolean, text: () => string): void {
  if (!holds) throw new InvariantError(text());
}

/** References that were found, by what they point to. */
interface References {
  readonly objects: Map<VmObject, number>;
  readonly maps: Map<VmMap, number>;
}

export function checkInvariants(vm: Vm, processes: readonly CsrgProcess[]): void {
  const found: References = { objects: new Map(), maps: new Map() };
  for (const process of processes) checkMap(process.map, process.name, found);
  checkMapReferences(found);
  for (const object of vm.objects) if (object !== null) checkObject(vm, object, found);
  checkObjectReferences(vm, found);
  checkCache(vm);
  checkSwap(vm);
  checkPages(vm, processes);
  for (const process of processes) checkTranslations(vm, process, processes);
}

function count<K>(counts: Map<K, number>, key: K): number {
  const sum = (counts.get(key) ?? 0) + 1;
  counts.set(key, sum);
  return sum;
}

/** One map: its entries in order and within bounds, each for one thing only. Maps that it refers to are looked at once. */
function checkMap(map: VmMap, name: string, found: References): void {
  let at = map.minPage;
  let entry = map.header.next;
  for (const indexed of map.index) {
    must(entry === indexed, () => `${name}: list and index of entries differ at page ${indexed.start}`);
    must(entry.start >= at && entry.start < entry.end, () => `${name}: entries overlap at page ${entry.start}`);
    checkEntry(map, entry, name, found);
    at = entry.end;
    entry = entry.next;
  }
  must(map.isHead(entry), () => `${name}: the list of entries is longer than its index`);
  must(at <= map.maxPage, () => `${name}: the last entry ends behind the map`);
}

function checkEntry(map: VmMap, entry: MapEntry, name: string, found: References): void {
  const place = (): string => `${name}: entry at page ${entry.start}`;
  const kinds = [entry.object, entry.shareMap, entry.subMap].filter((kind) => kind !== null);
  must(kinds.length <= 1, () => `${place()} refers to two things`);
  must((entry.protection & ~entry.maxProtection) === 0, () => `${place()} may do more than it ever may`);
  if (entry.object !== null) count(found.objects, entry.object);
  if (!map.isMainMap) must(entry.wiredCount === 0, () => `${place()} of a sharing map is wired`);
  const inner = entry.shareMap ?? entry.subMap;
  if (inner === null) return;
  must(map.isMainMap, () => `${place()}: a sharing map refers to a map`);
  if (entry.shareMap !== null) {
    must(!inner.isMainMap && inner.pmap === null, () => `${place()}: its sharing map is not one`);
    const end = entry.offset + (entry.end - entry.start);
    must(entry.offset >= inner.minPage && end <= inner.maxPage, () => `${place()} looks beyond its sharing map`);
  }
  if (count(found.maps, inner) === 1) checkMap(inner, `${inner.lock.name} in ${name}`, found);
}

function checkMapReferences(found: References): void {
  for (const [map, references] of found.maps) {
    must(map.refCount === references, () => `${map.lock.name}: ${map.refCount} references, ${references} found`);
  }
}

/** One object: its list of pages, its links, its paging. Counts the reference on its shadow. */
function checkObject(vm: Vm, object: VmObject, found: References): void {
  const name = (): string => `object ${object.id}`;
  let pages = 0;
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page);
    must(pageLookup(vm, object, pindex) === page, () => `${name()}: frame ${page} is on its list but not at ${pindex}`);
    must(pindex >= 0 && pindex < object.size, () => `${name()} of ${object.size} pages has a page ${pindex}`);
    pages++;
  }
  must(pages === object.residentCount, () => `${name()}: ${object.residentCount} pages counted, ${pages} on the list`);
  if (object.shadow !== null) {
    count(found.objects, object.shadow);
    must(vm.objects[object.shadow.id] === object.shadow, () => `${name()} shadows an object that is gone`);
  }
  checkCopy(object);
  const writes = vm.swapWrites.filter((write) => write.object === object).length;
  must(
    object.pagingInProgress === writes,
    () => `${name()}: paging ${object.pagingInProgress}, writes begun ${writes}`,
  );
  checkNoRing(object);
}

/** A copy object shadows what it is a copy of, from its beginning, and only files and devices have one. */
function checkCopy(object: VmObject): void {
  const { copy } = object;
  if (copy === null) return;
  must(copy.shadow === object, () => `object ${object.id}: its copy object ${copy.id} shadows another`);
  must(copy.shadowOffset === 0 && copy.internal, () => `object ${copy.id} is no proper copy object`);
  must(!object.internal && object.pager !== null, () => `object ${object.id} has a copy object, but is anonymous`);
}

function checkNoRing(object: VmObject): void {
  let slow: VmObject | null = object;
  let fast: VmObject | null = object.shadow;
  while (fast !== null && slow !== null) {
    must(fast !== slow, () => `object ${object.id}: its shadow chain is a ring`);
    slow = slow.shadow;
    fast = fast.shadow?.shadow ?? null;
  }
}

function checkObjectReferences(vm: Vm, found: References): void {
  for (const object of vm.objects) {
    if (object === null) continue;
    const references = found.objects.get(object) ?? 0;
    must(
      object.refCount === references,
      () => `object ${object.id}: ${object.refCount} references, ${references} found`,
    );
    if (references === 0)
      must(vm.cachedObjects.includes(object), () => `object ${object.id} is nobody's, and not cached`);
  }
  for (const object of found.objects.keys()) {
    must(vm.objects[object.id] === object, () => `object ${object.id} is referred to, but gone`);
  }
}

/** The cache holds what nobody refers to and may persist; what can be found by its pager is found. */
function checkCache(vm: Vm): void {
  must(cachedCount(vm) <= VM_CACHE_MAX, () => `${vm.cachedObjects.length} objects are cached`);
  for (const object of vm.cachedObjects) {
    must(object.refCount === 0 && object.persistent && object.hashed, () => `object ${object.id} should not be cached`);
  }
  for (const object of vm.objects) {
    if (object === null || !object.hashed) continue;
    must(object.pager?.object === object, () => `object ${object.id} cannot be found by its pager`);
  }
}

/** Every page of the swap area is free, or in one chunk of one pager of one object. */
function checkSwap(vm: Vm): void {
  const owner = new Int32Array(vm.swapArea.pages);
  const pagers = new Set<object>();
  let used = 0;
  for (const object of vm.objects) {
    if (object?.pager == null) continue;
    const { pager } = object;
    must(!pagers.has(pager), () => `object ${object.id} shares its pager`);
    pagers.add(pager);
    if (pager.type !== PG_SWAP) continue;
    pager.blocks.forEach((first, chunk) => {
      if (first < 0) {
        must(pager.masks[chunk] === 0, () => `object ${object.id}: pages written to no chunk`);
        return;
      }
      for (let block = first; block < first + pager.chunkPages; block++, used++) {
        must(
          owner[block] === 0,
          () => `page ${block} of the swap area belongs to objects ${owner[block]} and ${object.id}`,
        );
        owner[block] = object.id;
      }
    });
  }
  const { pages, freePages } = vm.swapArea;
  must(used + freePages === pages, () => `swap: ${used} pages used, ${freePages} free, of ${pages}`);
}
