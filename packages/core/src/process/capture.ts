/**
 * Snapshots: the state of a machine, kept and put back in place.
 *
 * Nothing is copied but state. For each object that a machine consists of (`reach.ts`) a snapshot keeps the values of its properties, for each array
 * its elements, for each map and set its entries, for each buffer its bytes. Putting back writes all of it into the very same objects; what
 * they have gained since is taken away. So every reference and closure stays good, whoever holds it: a process that has exited since is alive
 * again, the same object. A column that has been replaced by a larger one comes back as the property that it is.
 *
 * What is not data cannot be kept, and so must not be there: a call in progress, I/O that has not been answered, a daemon in the middle of its
 * work. `Kernel.settle` sees to the last and refuses the others. A daemon at home is data but for its body, which is begun afresh.
 *
 * What lies outside stays as it is: hooks, files on stores that are not self-contained, pagers of the user's. Swap is the machine's own
 * wherever it lies, and goes along. Objects made since (a process, a file) are not touched, only forgotten: a process is marked as dead; a file or device must
 * not be used any more.
 *
 * Values that have not changed are not written: a field that was never written after its object was made is a constant to the compiler,
 * and shall stay one.
 */
import type { Kernel } from '../kernel/kernel.js';
import type { PageRun, PrivateStore } from '../vm/private-store.js';
import { CapturedBytes } from './capture-bytes.js';
import { type Bag, Opaque, type Reached, reachFrom, SnapshotError, StateKeys } from './reach.js';

/** Bytes that a kept value takes, about: a reference and its part of what holds it. */
const VALUE_BYTES = 8;

interface SavedBag {
  readonly bag: Bag;
  readonly keys: readonly string[];
  readonly values: readonly unknown[];
}

interface SavedArray {
  readonly array: unknown[];
  readonly elements: readonly unknown[];
}

interface SavedMap {
  readonly map: Map<unknown, unknown>;
  /** Key, value, key, value, in order. */
  readonly entries: readonly unknown[];
}

interface SavedSet {
  readonly set: Set<unknown>;
  readonly elements: readonly unknown[];
}

interface SavedStore {
  readonly store: PrivateStore;
  readonly contents: readonly PageRun[];
}

/** The state of a machine at the moment of `captureState`. It can be put back any number of times, into that machine only. */
export interface CapturedState {
  /** Bytes that it takes, about. */
  readonly bytes: number;
}

class Capture extends Opaque implements CapturedState {
  readonly bytes: number;
  private readonly bags: readonly SavedBag[];
  private readonly arrays: readonly SavedArray[];
  private readonly maps: readonly SavedMap[];
  private readonly sets: readonly SavedSet[];
  private readonly buffers: CapturedBytes;
  private readonly stores: readonly SavedStore[];
  private readonly kernels: readonly Kernel[];
  private readonly names = new StateKeys();

  constructor(reached: Reached) {
    super();
    this.kernels = reached.kernels;
    this.stores = reached.privateStores.map((store) => ({ store, contents: store.contents() }));
    this.bags = reached.bags.map((bag) => saveBag(bag, this.names.of(bag)));
    this.arrays = reached.arrays.map((array) => ({ array, elements: array.slice() }));
    this.maps = reached.maps.map((map) => ({ map, entries: entriesOf(map) }));
    this.sets = reached.sets.map((set) => ({ set, elements: [...set] }));
    this.buffers = new CapturedBytes(reached.buffers);
    this.bytes = this.measure();
  }

  private measure(): number {
    let values = 0;
    for (const { values: kept } of this.bags) values += kept.length;
    for (const { elements } of this.arrays) values += elements.length;
    for (const { entries } of this.maps) values += entries.length;
    for (const { elements } of this.sets) values += elements.length;
    let bytes = values * VALUE_BYTES + this.buffers.size;
    for (const { contents } of this.stores) for (const run of contents) bytes += run.bytes.byteLength;
    return bytes;
  }

  putBack(): void {
    for (const kernel of this.kernels) refuse(kernel.inProgress(), 'put back');
    // What can fail comes first: then nothing else has been touched.
    for (const { store, contents } of this.stores) store.putBack(contents);
    for (const { array } of this.arrays) retireProcesses(array);
    for (const saved of this.bags) putBackBag(saved, this.names);
    for (const saved of this.arrays) putBackArray(saved);
    for (const saved of this.maps) putBackMap(saved);
    for (const saved of this.sets) putBackSet(saved);
    this.buffers.putBack();
    for (const kernel of this.kernels) kernel.restartDaemons();
  }
}

function saveBag(bag: Bag, keys: readonly string[]): SavedBag {
  const values = new Array<unknown>(keys.length);
  for (let i = 0; i < keys.length; i++) values[i] = bag[keys[i] as string];
  return { bag, keys, values };
}

function entriesOf(map: Map<unknown, unknown>): unknown[] {
  const entries: unknown[] = [];
  for (const [key, value] of map) entries.push(key, value);
  return entries;
}

function putBackBag({ bag, keys, values }: SavedBag, names: StateKeys): void {
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (!Object.is(bag[key], values[i])) bag[key] = values[i];
  }
  const now = names.of(bag);
  if (now.length === keys.length) return;
  for (const name of now) if (!keys.includes(name)) delete bag[name];
}

function putBackArray({ array, elements }: SavedArray): void {
  if (array.length > elements.length) array.length = elements.length;
  for (let i = 0; i < elements.length; i++) if (!Object.is(array[i], elements[i])) array[i] = elements[i];
}

function putBackMap({ map, entries }: SavedMap): void {
  if (sameEntries(map, entries)) return;
  map.clear();
  for (let i = 0; i < entries.length; i += 2) map.set(entries[i], entries[i + 1]);
}

/** In the same order too: what is walked must be walked alike. */
function sameEntries(map: Map<unknown, unknown>, entries: readonly unknown[]): boolean {
  if (map.size * 2 !== entries.length) return false;
  let i = 0;
  for (const [key, value] of map) {
    if (!Object.is(key, entries[i]) || !Object.is(value, entries[i + 1])) return false;
    i += 2;
  }
  return true;
}

function putBackSet({ set, elements }: SavedSet): void {
  set.clear();
  for (const element of elements) set.add(element);
}

/** Every process that a list of the machine names is dead from now on, unless what is put back next says otherwise. */
function retireProcesses(list: readonly unknown[]): void {
  for (const one of list) {
    if (typeof one !== 'object' || one === null || !Object.hasOwn(one, 'alive')) continue;
    const process = one as { alive: unknown };
    if (process.alive === true) process.alive = false;
  }
}

function refuse(reason: string | null, what: string): void {
  if (reason !== null) throw new SnapshotError(`a snapshot cannot be ${what} now: ${reason}`);
}

/** Brings a kernel to rest; answers whether anything had to be done for it. */
function settle(kernel: Kernel): boolean {
  const before = kernel.daemonSteps;
  refuse(kernel.settle(), 'taken');
  return kernel.daemonSteps !== before;
}

/**
 * Keeps the state of everything that can be reached from `roots`: a VmSystem, and whatever else its user wants put back with it.
 *
 * The state is that between calls. If a daemon has been left in the middle of its work, it finishes it first.
 * @throws SnapshotError when something is in progress, or something reached has state that cannot be seen
 */
export function captureState(roots: readonly object[]): CapturedState {
  if (!Array.isArray(roots) || roots.some((root) => typeof root !== 'object' || root === null)) {
    throw new TypeError('roots must be an array of objects');
  }
  return new Capture(reachFrom(roots, settle));
}

/**
 * Puts everything back as it was when the state was captured.
 * @throws SnapshotError when a call or I/O is in progress; nothing has then changed
 */
export function restoreState(state: CapturedState): void {
  if (!(state instanceof Capture)) throw new TypeError('state must be what captureState answered');
  state.putBack();
}

export { SnapshotError } from './reach.js';
