/**
 * What only DragonFly can be asked, beyond the contract of a system: virtual page tables, the handler's other entrances, the kernel's own
 * wiring, swapoff, and switches for rare branches. Each is one function over a started system; scenarios and embedders call them.
 */
import { checkRange, checkWhole, checkWord } from '../vm/arguments.js';
import type { CallResult } from '../vm/errno.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MapRequest, VmFile, VmProcess } from '../vm/system.js';
import { entryWords } from './describe.js';
import { faultObjectPage, faultPage, faultPageQuick, type PageAnswer } from './fault-page.js';
import { VM_FAULT_DIRTY, VM_FAULT_NORMAL, VM_FAULT_UNSWAP } from './fault-state.js';
import { MAP_ADVICE_WORDS, type MapAdvice, type MasterEntry } from './map-advice.js';
import { VM_PROT_OVERRIDE_WRITE } from './map-lookup.js';
import { unwireKernel, wireKernel } from './map-wire.js';
import { sysMincore } from './mincore.js';
import { freeCached, pageUnhold } from './page-alloc.js';
import { type DragonflyProcess, execProcess } from './process.js';
import { swapoffTask } from './swapoff.js';
import { type MapExtras, sysMadvise, sysMlockall, sysMmap, sysMsync, sysMunlockall, sysSetmap } from './syscalls.js';
import type { DragonflySystem } from './system.js';
import { truncateFile, VnodeHandle } from './vnode.js';

/** The bits of a virtual page-table entry, for guests that write them. */
export { VPTE_A, VPTE_M, VPTE_PS, VPTE_R, VPTE_V, VPTE_W } from './fault-vpagetable.js';

const pageRange = (address: number, length: number): [number, number] => [
  Math.floor(address / 4096),
  Math.ceil((address + length) / 4096),
];

/** mmap with MAP_VPAGETABLE, MAP_NOSYNC or MAP_STACK. Bytes. */
export function mapWith(
  system: DragonflySystem,
  process: VmProcess,
  request: MapRequest,
  extras: MapExtras,
): CallResult {
  const p = system.mine(process);
  system.checkRequest(request);
  return system.call(p, sysMmap(system.vm, p, request, extras));
}

/** mcontrol(MADV_SETMAP): gives the virtual page tables in a range their master entry. Bytes. */
export function setMap(
  system: DragonflySystem,
  process: VmProcess,
  address: number,
  length: number,
  master: MasterEntry,
): CallResult {
  const p = system.mine(process);
  checkRange(address, length);
  return system.call(p, sysSetmap(system.vm, p, address, length, master));
}

/** madvise and mcontrol with any advice of this kernel, `inval` (MADV_INVAL) included. Bytes. */
export function adviseWith(
  system: DragonflySystem,
  process: VmProcess,
  address: number,
  length: number,
  advice: MapAdvice,
): CallResult {
  const p = system.mine(process);
  checkRange(address, length);
  checkWord('advice', advice, MAP_ADVICE_WORDS);
  return system.call(p, sysMadvise(system.vm, p, address, length, advice));
}

/** msync(MS_INVALIDATE). Bytes. */
export function syncInvalidate(
  system: DragonflySystem,
  process: VmProcess,
  address: number,
  length: number,
): CallResult {
  const p = system.mine(process);
  checkRange(address, length);
  return system.call(p, sysMsync(system.vm, p, address, length, true));
}

/** mincore into `vector`. Bytes. */
export function mincore(
  system: DragonflySystem,
  process: VmProcess,
  address: number,
  length: number,
  vector: Uint8Array,
): CallResult {
  const p = system.mine(process);
  checkRange(address, length);
  return system.call(p, sysMincore(system.vm, p, address, length, vector));
}

/** mlockall. */
export function mlockall(system: DragonflySystem, process: VmProcess, current: boolean, future: boolean): CallResult {
  return sysMlockall(system.mine(process), current, future);
}

/** munlockall. */
export function munlockall(system: DragonflySystem, process: VmProcess): CallResult {
  return system.call(process, sysMunlockall(system.vm, system.mine(process)));
}

/** execve as far as memory goes: an empty space. */
export function exec(system: DragonflySystem, process: VmProcess): void {
  system.call(process, execProcess(system.vm, system.mine(process)));
}

/** vm_map_wire, or with `pageable` its opposite, by the kernel. Bytes; answers a KERN code. */
export function kernelWire(
  system: DragonflySystem,
  process: VmProcess,
  address: number,
  length: number,
  pageable: boolean,
): number {
  const p = system.mine(process);
  checkRange(address, length);
  const [start, end] = pageRange(address, length);
  const task = pageable ? unwireKernel(system.vm, p, start, end) : wireKernel(system.vm, p, start, end);
  return system.call(process, task);
}

/** How a page is asked for: to read, to write, or to write whatever the current protection says. */
export type Want = 'r' | 'w' | 'o';

/** vm_fault_page; the page is let go again. */
export function askPage(system: DragonflySystem, process: VmProcess, vpn: number, want: Want): PageAnswer {
  const { vm } = system;
  const p = system.mine(process);
  checkWhole('vpn', vpn);
  checkWord('want', want, ['r', 'w', 'o']);
  const type = want === 'r' ? PROT_READ : PROT_READ | PROT_WRITE;
  const forced = PROT_WRITE | VM_PROT_OVERRIDE_WRITE;
  const task =
    want === 'o' ? faultPage(vm, p.thread, p, p.map, vpn, forced, VM_FAULT_NORMAL) : faultPageQuick(vm, p, vpn, type);
  return letGo(system, system.call(process, task));
}

function letGo(system: DragonflySystem, answer: PageAnswer): PageAnswer {
  if (answer.page >= 0) pageUnhold(system.vm, answer.page);
  return answer;
}

/** vm_fault_object_page on the object of the entry at a page; null where there is none. `type` is a protection. */
export function askObjectPage(
  system: DragonflySystem,
  process: VmProcess,
  vpn: number,
  type: number,
  how: { readonly dirty: boolean; readonly unswap: boolean },
): PageAnswer | null {
  const p = system.mine(process);
  checkWhole('vpn', vpn);
  checkWhole('type', type, PROT_ALL);
  const entry = p.map.lookup(vpn);
  if (entry === null || entry.object === null) return null;
  const pindex = Math.floor(vpn - entry.start + entry.offset);
  const flags = (how.dirty ? VM_FAULT_DIRTY : 0) | (how.unswap ? VM_FAULT_UNSWAP : 0);
  const task = faultObjectPage(system.vm, p.thread, p, entry.object, pindex, type, flags);
  return letGo(system, system.call(process, task));
}

/** Frees every cached page. */
export function reclaim(system: DragonflySystem): void {
  for (let colour = 0; freeCached(system.vm, colour); colour++);
}

/** swapoff: 0 when everything came in, 1 otherwise. */
export function swapoff(system: DragonflySystem): number {
  const thread = system.vm.createThread('swapoff');
  return system.vm.kernel.call(thread, swapoffTask(system.vm, thread));
}

/** ftruncate. Bytes. Answers 0 or a negative errno. */
export function truncate(system: DragonflySystem, file: VmFile, bytes: number): number {
  checkWhole('bytes', bytes, Number.MAX_SAFE_INTEGER);
  const thread = system.vm.createThread('truncate');
  return system.vm.kernel.call(thread, truncateFile(system.vm, thread, handleOf(file), bytes));
}

/** From now on the file-system block that holds a page cannot be read. */
export function breakBlock(file: VmFile, page: number): void {
  checkWhole('page', page);
  handleOf(file).badBlocks.add(Math.floor(page / 4));
}

function handleOf(file: VmFile): VnodeHandle {
  if (file instanceof VnodeHandle) return file;
  throw new TypeError('file must be a file of a DragonFly machine');
}

/** What an `entries` line of this system says besides. `start` in bytes. */
export function extraWords(process: VmProcess, start: number): string[] {
  return entryWords((process as DragonflyProcess).map, start);
}
