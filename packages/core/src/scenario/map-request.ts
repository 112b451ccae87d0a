/** What a script's map commands ask of mmap: pages become bytes, and the names of files and devices what they stand for. */
import { PAGE_SIZE } from '../machine/units.js';
import type { MapBacking, MapRequest } from '../vm/system.js';
import type { MapAction, NamedBacking } from './actions.js';
import type { ExtensionContext } from './extensions.js';

/** What the names of a script stand for. */
type Names = Pick<ExtensionContext, 'file' | 'device'>;

function backingOf(backing: NamedBacking, names: Names): MapBacking {
  if (backing.kind === 'anon') return { kind: 'anon' };
  const offset = backing.offset * PAGE_SIZE;
  return backing.kind === 'file'
    ? { kind: 'file', file: names.file(backing.name), offset }
    : { kind: 'device', device: names.device(backing.name), offset };
}

export function mapRequest(command: Omit<MapAction, 'kind' | 'process'>, names: Names): MapRequest {
  const { address, pages, protection, sharing, backing } = command;
  return { address, length: pages * PAGE_SIZE, protection, sharing, fixed: true, backing: backingOf(backing, names) };
}
