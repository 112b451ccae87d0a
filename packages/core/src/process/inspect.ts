/** An address space for people: its entries with what is behind each, and as the system's own tool prints it. */
import { PAGE_SIZE } from '../machine/units.js';
import { PAGE_DIRTY, PAGE_RESIDENT, PAGE_SHARED, PAGE_SWAPPED, PAGE_WIRED } from '../vm/port.js';
import { PROT_EXECUTE, PROT_READ, PROT_WRITE, type Prot } from '../vm/prot.js';
import type { EntryInfo, SystemName, VmProcess } from '../vm/system.js';
import type { MappingInfo } from './api.js';
import type { MachineCore } from './core.js';

type PageCounts = Pick<MappingInfo, 'resident' | 'shared' | 'private' | 'swapped' | 'wired' | 'dirty'>;

/** What every page of an entry is, in bytes. */
function countPages(core: MachineCore, vm: VmProcess, entry: EntryInfo): PageCounts {
  const counts = { resident: 0, shared: 0, private: 0, swapped: 0, wired: 0, dirty: 0 };
  for (let address = entry.start; address < entry.end; address += PAGE_SIZE) {
    const bits = core.port.inspectPage(vm, address / PAGE_SIZE);
    if (bits === 0) continue;
    if ((bits & PAGE_SWAPPED) !== 0) counts.swapped += PAGE_SIZE;
    if ((bits & PAGE_RESIDENT) === 0) continue;
    counts.resident += PAGE_SIZE;
    counts[(bits & PAGE_SHARED) === 0 ? 'private' : 'shared'] += PAGE_SIZE;
    if ((bits & PAGE_WIRED) !== 0) counts.wired += PAGE_SIZE;
    if ((bits & PAGE_DIRTY) !== 0) counts.dirty += PAGE_SIZE;
  }
  return counts;
}

/** The entries of an address space, ascending. */
export function mappings(core: MachineCore, vm: VmProcess): MappingInfo[] {
  return core.system.entries(vm).map((entry) => ({
    start: entry.start,
    end: entry.end,
    protection: entry.protection,
    maximum: entry.maximum,
    inheritance: entry.inheritance,
    copyOnWrite: entry.cow,
    needsCopy: entry.needsCopy,
    wiredCount: entry.wired,
    name: core.fileAt(vm, entry.start)?.path ?? 'anon',
    ...countPages(core, vm, entry),
  }));
}

function letters(protection: Prot): string {
  const read = (protection & PROT_READ) === 0 ? '-' : 'r';
  const write = (protection & PROT_WRITE) === 0 ? '-' : 'w';
  return `${read}${write}${(protection & PROT_EXECUTE) === 0 ? '-' : 'x'}`;
}

/** Reference and shadow count of what an entry maps itself. */
function topLayer(core: MachineCore, vm: VmProcess, at: number): { ref: number; shadows: number; type: string } {
  const [top] = core.system.backing(vm, at) ?? [];
  if (top === undefined) return { ref: 0, shadows: 0, type: 'none' };
  if (top.kind !== 'object') return { ref: top.ref, shadows: 0, type: top.kind };
  return { ref: top.ref, shadows: top.shadows ?? 0, type: top.type.split(':')[0] as string };
}

/** A line of /proc/PID/map: start, end, pages resident, of those private, protection, counts, flags, type, path. */
function procfsLine(core: MachineCore, vm: VmProcess, m: MappingInfo): string {
  const { ref, shadows, type } = topLayer(core, vm, m.start);
  const pages = [m.resident / PAGE_SIZE, m.private / PAGE_SIZE];
  const cow = m.copyOnWrite ? 'COW' : 'NCOW';
  const copy = m.needsCopy ? 'NC' : 'NNC';
  const path = core.fileAt(vm, m.start)?.path ?? '-';
  const range = `0x${m.start.toString(16)} 0x${m.end.toString(16)}`;
  return `${range} ${pages.join(' ')} ${letters(m.protection)} ${ref} ${shadows} ${cow} ${copy} ${type} ${path}`;
}

const NETBSD_WORDS: readonly (readonly [Prot, string])[] = [
  [PROT_READ, 'read'],
  [PROT_WRITE, 'write'],
  [PROT_EXECUTE, 'exec'],
];

/** A line of pmap(1): start, kilobytes, protection, name. */
function pmapLine(core: MachineCore, vm: VmProcess, m: MappingInfo): string {
  const words = NETBSD_WORDS.filter(([bit]) => (m.protection & bit) !== 0).map(([, word]) => word);
  const size = `${(m.end - m.start) / 1024}K`.padStart(8);
  const name = core.fileAt(vm, m.start)?.path ?? '[ anon ]';
  return `${m.start.toString(16).padStart(16, '0')}${size} ${(words.join('/') || '(none)').padEnd(16)}  ${name}`;
}

/** The whole of it, a line an entry. */
export function mapsText(core: MachineCore, vm: VmProcess, system: SystemName): string {
  const all = mappings(core, vm);
  if (system !== 'netbsd') return all.map((m) => `${procfsLine(core, vm, m)}\n`).join('');
  const total = all.reduce((sum, { start, end }) => sum + end - start, 0) / 1024;
  return `${all.map((m) => `${pmapLine(core, vm, m)}\n`).join('')} total ${`${total}K`.padStart(17)}\n`;
}
