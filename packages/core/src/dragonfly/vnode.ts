/**
 * A file as the virtual memory sees it: its vnode, its object, its length in file-system blocks.
 *
 * The file system is FFS with blocks of 16384 bytes in fragments of 2048. Only a short file ends in fragments: from the thirteenth block on
 * the last block is whole. The object reaches to the end of the last block, so pages past the end of the file may lie
 * inside the object.
 *
 * Lock order: map, vnode. A fault holds the vnode shared from its look-up to its end; who writes or truncates takes it alone.
 */
import { RwLock } from '../kernel/locks.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { BackingStore } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { VmFile } from '../vm/system.js';
import type { VmObject } from './object.js';
import { OBJ_DEAD, OBJT_VNODE, objectAllocate } from './object.js';
import { objectPageRemove } from './object-pages.js';
import { PIECE_BYTES, pageBits, pageDirty, pageLookup } from './page.js';
import { ioResult } from './pager.js';
import { getToken } from './tokens.js';
import type { Vm } from './vm.js';

export const BLOCK_BYTES = 16384;
export const BLOCK_PAGES = BLOCK_BYTES / PAGE_SIZE;
const FRAGMENT_BYTES = 2048;
/** NDADDR: only files of direct blocks end in fragments. */
const DIRECT_BLOCKS = 12;

export class VnodeHandle implements VmFile {
  object: VmObject | null = null;
  readonly lock: RwLock;
  /** The length, once somebody has said so. */
  size = Number.POSITIVE_INFINITY;
  /** Blocks that carry a read-ahead mark (B_RAM of their buffers). */
  readonly markedBlocks = new Set<number>();
  /** Blocks whose reading fails. */
  readonly badBlocks = new Set<number>();

  constructor(
    vm: Vm,
    readonly name: string,
    readonly store: BackingStore,
    /** Where the file lies on the simulated disk, in pages. */
    readonly diskPage: number,
  ) {
    this.lock = new RwLock(vm.kernel, `vnode ${name}`, true);
  }

  /** Bytes of the file. Where the store and the news of its new length are apart, the nearer end holds. */
  get length(): number {
    return Math.min(this.size, this.store.size());
  }

  /** From now on the length is what \`setFileSize\` says. */
  noteSize(): void {
    if (this.size === Number.POSITIVE_INFINITY) this.size = this.store.size();
  }
}

/** blksize: bytes of a block of a file of `length` bytes. */
export function blockBytes(length: number, block: number): number {
  const rest = length - block * BLOCK_BYTES;
  if (rest >= BLOCK_BYTES || block >= DIRECT_BLOCKS) return BLOCK_BYTES;
  return Math.max(0, Math.ceil(rest / FRAGMENT_BYTES) * FRAGMENT_BYTES);
}

/** Pages of the object behind a file of `length` bytes. */
export function filePages(length: number): number {
  if (length === 0) return 0;
  const last = Math.floor((length - 1) / BLOCK_BYTES);
  return Math.ceil((last * BLOCK_BYTES + blockBytes(length, last)) / PAGE_SIZE);
}

/** vnode_pager_alloc: the file's object, made when it is opened (vinitvmio). It has no reference of its own. */
export function vnodeObject(vm: Vm, vnode: VnodeHandle): VmObject {
  if (vnode.object === null) {
    vnode.object = objectAllocate(vm, OBJT_VNODE, filePages(vnode.length), vnode);
    vnode.object.refCount = 0;
  }
  return vnode.object;
}

/** vnode_pager_lock as far as it looks: the file at the first vnode object down a chain, or null. */
export function vnodeBelow(top: VmObject): VnodeHandle | null {
  for (let object: VmObject | null = top; object !== null; object = object.backing) {
    if (object.type === OBJT_VNODE) return (object.flags & OBJ_DEAD) !== 0 ? null : (object.handle as VnodeHandle);
  }
  return null;
}

/** ftruncate: the store first, then the pages (vnode_pager_setsize). Answers 0 or a negative errno. */
export function* truncateFile(vm: Vm, thread: Thread, vnode: VnodeHandle, length: number): Task<number> {
  while (!vnode.lock.acquireWrite(thread)) yield;
  const result = yield* ioResult(vm, thread, vnode.store.truncate(length), 'truncate');
  if (result >= 0 && vnode.size !== Number.POSITIVE_INFINITY) vnode.size = length;
  if (result >= 0 && vnode.object !== null) yield* setObjectSize(vm, thread, vnode.object, length);
  vnode.lock.releaseWrite(thread);
  return result;
}

/**
 * The news of a length that the store gets besides. Pages past the nearer end go, also those of its last block; behind an end within a page
 * all is zero from now on, also what a mapping has stored there when a file grows.
 */
export function* setFileSize(vm: Vm, thread: Thread, vnode: VnodeHandle, bytes: number): Task<void> {
  while (!vnode.lock.acquireWrite(thread)) yield;
  const kept = Math.min(bytes, vnode.length);
  vnode.size = Math.min(vnode.size, bytes);
  const { object } = vnode;
  if (object !== null) {
    const old = object.size;
    yield* getToken(vm.vmToken, thread);
    object.size = Math.min(old, filePages(bytes));
    yield* objectPageRemove(vm, thread, object, Math.ceil(kept / PAGE_SIZE), Math.max(old, filePages(bytes)), false);
    object.size = filePages(bytes);
    forgetMarks(vnode, bytes);
    zeroBehind(vm, object, kept);
    vm.vmToken.release(thread);
  }
  vnode.size = bytes;
  vnode.lock.releaseWrite(thread);
}

function forgetMarks({ markedBlocks }: VnodeHandle, length: number): void {
  for (const block of [...markedBlocks]) if (block * BLOCK_BYTES >= length) markedBlocks.delete(block);
}

/** vnode_pager_setsize: pages past the new end go, whoever maps them. */
function* setObjectSize(vm: Vm, thread: Thread, object: VmObject, length: number): Task<void> {
  const pages = filePages(length);
  const old = object.size;
  object.size = pages;
  if (pages < old) yield* objectPageRemove(vm, thread, object, pages, old, false);
  forgetMarks(object.handle as VnodeHandle, length);
  if (pages <= old) zeroBehind(vm, object, length);
}

/**
 * Of the page that holds the end the rest is zeroed and counts as read, and it loses its translations so that nobody goes on with what was
 * there.
 */
function zeroBehind(vm: Vm, object: VmObject, end: number): void {
  const tail = end % PAGE_SIZE;
  const last = tail === 0 ? -1 : pageLookup(vm, object, Math.floor(end / PAGE_SIZE));
  if (last < 0 || vm.pages.valid[last] === 0) return;
  vm.machine.memory.zeroPart(last, tail, PAGE_SIZE);
  vm.pmap.removeAll(last);
  const rest = pageBits(tail, PAGE_SIZE - tail);
  vm.pages.valid[last] = (vm.pages.valid[last] as number) | rest;
  // As seeded the piece that holds the end counts as clean too, and what was stored in front of the end is lost (O36).
  const behind = vm.mended ? Math.ceil(tail / PIECE_BYTES) * PIECE_BYTES : tail;
  vm.pages.dirty[last] = (vm.pages.dirty[last] as number) & ~pageBits(behind, PAGE_SIZE - behind);
  if (vm.pages.dirty[last] !== 0) pageDirty(vm, last);
}
