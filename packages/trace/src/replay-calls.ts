/** The memory calls of a trace, put to a system. */
import type { CallResult, VmFile, VmProcess, VmSystem } from '@faultline/core';
import type { MapEvent, TraceEvent } from './events.js';

const PAGE = 4096;

/** The page boundary at or above a byte address. */
export function pageEnd(address: number): number {
  return Math.ceil(address / PAGE) * PAGE;
}

/**
 * Makes one call. Ranges are widened to whole pages, which is what Linux did with them. Answers the system's
 * result; 0 for an event that is no call.
 */
export function applyCall(
  system: VmSystem,
  process: VmProcess,
  event: TraceEvent,
  file: (index: number) => VmFile,
): CallResult {
  if (event.type === 'mmap') return map(system, process, event, file);
  if (event.type === 'brk') return system.brk(process, event.address);
  if (!('address' in event)) return 0;
  const address = Math.floor(event.address / PAGE) * PAGE;
  const length = pageEnd(event.address + event.length) - address;
  switch (event.type) {
    case 'munmap':
      return system.unmap(process, address, length);
    case 'mprotect':
      return system.protect(process, address, length, event.protection);
    case 'madvise':
      return event.advice === 'other' ? 0 : system.advise(process, address, length, event.advice);
    case 'minherit':
      return system.inherit(process, address, length, event.inheritance);
    case 'mlock':
      return system.wire(process, address, length);
    case 'munlock':
      return system.unwire(process, address, length);
    case 'msync':
      return system.sync(process, address, length);
    default:
      return 0;
  }
}

/** Every mapping is put where it was, so it is fixed whatever the program asked for. */
function map(system: VmSystem, process: VmProcess, event: MapEvent, file: (index: number) => VmFile): CallResult {
  return system.map(process, {
    address: event.address,
    length: pageEnd(event.length),
    protection: event.protection,
    sharing: event.sharing,
    backing: event.file < 0 ? { kind: 'anon' } : { kind: 'file', file: file(event.file), offset: event.offset },
    fixed: true,
  });
}
