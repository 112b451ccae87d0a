/**
 * Everything that a machine consists of: the objects that can be reached from a few roots.
 *
 * A snapshot is taken of them in place (`capture.ts`), so this walk decides what belongs to a machine. It goes through the properties of
 * objects, the elements of arrays, and the entries of maps and sets, and notes which bytes of which buffers some view shows. It stops at
 *
 *     hooks         what somebody outside has hung into the machine: listeners, a scheduler, what a test makes fail
 *     the world     stores that are not self-contained, pagers of the user's, gates of a test, other snapshots
 *     functions     code, with nothing in it that changes: the closures of this machine refer only to objects that are reached otherwise
 *
 * What has state that cannot be seen (a promise, a generator, a weak map) is an error that names the way to it. So that none creeps in, nothing in
 * the machine has `#private` fields or state at module level either; `tests/style/snapshots.test.ts` sees to that.
 */
import { Kernel } from '../kernel/kernel.js';
import { Thread } from '../kernel/thread.js';
import { Gate } from '../machine/fault-store.js';
import type { BackingStore } from '../machine/store.js';
import { PrivateStore } from '../vm/private-store.js';
import type { UserPager } from './api.js';

/** Why a snapshot cannot be taken, or put back, as things stand. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
}

/** What no walk enters, because it holds the state of other moments. */
export abstract class Opaque {
  /** Only so that nothing else has this shape. */
  protected readonly opaque = true;
}

/** An object whose properties are its state. */
export type Bag = Record<string, unknown>;

/** The part of a buffer that views show, in bytes. */
export interface Extent {
  start: number;
  end: number;
}

export interface Reached {
  readonly bags: Bag[];
  readonly arrays: unknown[][];
  readonly maps: Map<unknown, unknown>[];
  readonly sets: Set<unknown>[];
  readonly buffers: Map<ArrayBufferLike, Extent>;
  readonly kernels: Kernel[];
  readonly privateStores: PrivateStore[];
}

/** Properties that hold what somebody outside has hung in: a snapshot leaves them as they are. */
const HOOKS: ReadonlySet<string> = new Set([
  'allocationFails',
  'listener',
  'onKill',
  'onSignal',
  'scheduler',
  'stageListener',
]);

type Kind = 'bag' | 'array' | 'map' | 'set' | 'view' | 'buffer' | 'world' | 'unseen';

function kindOf(thing: object): Kind {
  if (Array.isArray(thing)) return 'array';
  if (ArrayBuffer.isView(thing)) return 'view';
  switch (Object.prototype.toString.call(thing)) {
    case '[object Object]':
      return thing instanceof Gate || thing instanceof Opaque ? 'world' : 'bag';
    case '[object Map]':
      return 'map';
    case '[object Set]':
      return 'set';
    case '[object ArrayBuffer]':
    case '[object SharedArrayBuffer]':
      return 'buffer';
    case '[object WebAssembly.Memory]':
      return 'world';
    default:
      return 'unseen';
  }
}

/** Whether an object is the user's, by its shape: nothing is known of how it keeps its state. */
function ofTheWorld(bag: object): boolean {
  const store = bag as Partial<BackingStore>;
  if (typeof store.read === 'function' && typeof store.write === 'function' && typeof store.truncate === 'function') {
    return store.selfContained !== true;
  }
  return typeof (bag as Partial<UserPager>).getPages === 'function';
}

/** Names of the properties that are state, by kind of object: most objects of a class have the same. */
export class StateKeys {
  private readonly known = new Map<object | null, { all: readonly string[]; state: readonly string[] }>();

  of(bag: Bag): readonly string[] {
    const all = Object.keys(bag);
    const prototype: object | null = Object.getPrototypeOf(bag);
    const known = this.known.get(prototype);
    if (known !== undefined && sameNames(known.all, all)) return known.state;
    const state = all.filter((name) => !HOOKS.has(name));
    this.known.set(prototype, { all, state });
    return state;
  }
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

class Walk {
  readonly reached: Reached = {
    bags: [],
    arrays: [],
    maps: [],
    sets: [],
    buffers: new Map(),
    kernels: [],
    privateStores: [],
  };
  readonly keys = new StateKeys();
  private readonly seen = new Set<object>();
  private readonly waiting: object[] = [];
  private readonly kinds = new Map<object | null, Kind>();
  /** Buffers that are referred to as such. */
  private readonly bare = new Set<ArrayBufferLike>();
  /** The first thing that cannot be captured, or null. */
  unseen: object | null = null;

  /** @param from when given, is told for each object from which other it was first reached */
  constructor(private readonly from: Map<object, object> | null) {}

  run(roots: readonly object[]): void {
    for (const root of roots) this.meet(root, null);
    for (let next = this.waiting.pop(); next !== undefined; next = this.waiting.pop()) this.enter(next);
    for (const buffer of this.bare) {
      if (!this.reached.buffers.has(buffer)) this.reached.buffers.set(buffer, { start: 0, end: buffer.byteLength });
    }
  }

  private meet(value: unknown, by: object | null): void {
    if (typeof value !== 'object' || value === null || this.seen.has(value)) return;
    this.seen.add(value);
    this.waiting.push(value);
    if (by !== null) this.from?.set(value, by);
  }

  private kind(thing: object): Kind {
    const prototype: object | null = Object.getPrototypeOf(thing);
    let kind = this.kinds.get(prototype);
    if (kind === undefined) {
      kind = kindOf(thing);
      this.kinds.set(prototype, kind);
    }
    return kind;
  }

  private enter(thing: object): void {
    switch (this.kind(thing)) {
      case 'bag':
        this.enterBag(thing as Bag);
        break;
      case 'array':
        this.reached.arrays.push(thing as unknown[]);
        for (const element of thing as unknown[]) this.meet(element, thing);
        break;
      case 'map':
        this.enterMap(thing as Map<unknown, unknown>);
        break;
      case 'set':
        this.reached.sets.push(thing as Set<unknown>);
        for (const element of thing as Set<unknown>) this.meet(element, thing);
        break;
      case 'view':
        this.noteView(thing as ArrayBufferView);
        break;
      case 'buffer':
        this.bare.add(thing as ArrayBufferLike);
        break;
      case 'unseen':
        this.unseen ??= thing;
    }
  }

  private enterBag(bag: Bag): void {
    if (ofTheWorld(bag)) return;
    this.reached.bags.push(bag);
    if (bag instanceof Kernel) this.reached.kernels.push(bag);
    else if (bag instanceof PrivateStore) this.reached.privateStores.push(bag);
    // The task of a thread at rest is a daemon's, which is begun afresh.
    const isThread = bag instanceof Thread;
    for (const name of this.keys.of(bag)) if (!isThread || name !== 'task') this.meet(bag[name], bag);
  }

  private enterMap(map: Map<unknown, unknown>): void {
    this.reached.maps.push(map);
    for (const [key, value] of map) {
      this.meet(key, map);
      this.meet(value, map);
    }
  }

  private noteView(view: ArrayBufferView): void {
    const { buffer, byteOffset: start } = view;
    const end = start + view.byteLength;
    const extent = this.reached.buffers.get(buffer);
    if (extent === undefined) {
      this.reached.buffers.set(buffer, { start, end });
    } else {
      extent.start = Math.min(extent.start, start);
      extent.end = Math.max(extent.end, end);
    }
  }
}

/**
 * All that is reached from `roots`. The kernels among it are handed to `ask` before anything else is said: a machine that is in the middle of
 * something holds what cannot be captured, and that is the better reason. It may change the machine, and answers whether it has.
 * @throws SnapshotError for what has state that cannot be seen
 */
export function reachFrom(roots: readonly object[], ask: (kernel: Kernel) => boolean = () => false): Reached {
  let walk = new Walk(null);
  walk.run(roots);
  if (walk.reached.kernels.map(ask).includes(true)) {
    walk = new Walk(null);
    walk.run(roots);
  }
  if (walk.unseen === null) return walk.reached;
  throw new SnapshotError(`a snapshot cannot take ${wayTo(walk.unseen, roots)} along`);
}

/** How an object is reached, for a message: a second walk, this time with notes. */
function wayTo(thing: object, roots: readonly object[]): string {
  const from = new Map<object, object>();
  new Walk(from).run(roots);
  const steps: string[] = [];
  let at = thing;
  for (let by = from.get(at); by !== undefined; by = from.get(at)) {
    steps.unshift(stepName(by, at));
    at = by;
  }
  const kind = Object.prototype.toString.call(thing).slice('[object '.length, -1);
  return `${at.constructor?.name ?? 'an object'}${steps.join('')} (${kind})`;
}

function stepName(by: object, to: object): string {
  if (Array.isArray(by)) return `[${by.indexOf(to)}]`;
  if (by instanceof Map || by instanceof Set) return '{}';
  return `.${Object.keys(by).find((name) => (by as Bag)[name] === to)}`;
}
