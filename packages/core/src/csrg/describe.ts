/** Looking from outside: the dumps that scenarios and reports print. Nothing here changes anything. */
import { entryInfo, residentIndexes } from '../vm/describe.js';
import type { BackingLayer, EntryInfo } from '../vm/system.js';
import type { VmObject } from './object.js';
import { PG_DEVICE, PG_VNODE } from './pager.js';
import type { CsrgProcess } from './process.js';
import { regionAt } from './syscalls.js';
import type { Vm } from './vm.js';

/** A view of a sharing map shows no copy-on-write: those flags belong to the sharing map's entry. */
export function describeEntries({ map }: CsrgProcess): EntryInfo[] {
  return map.index.map((entry) =>
    entryInfo(
      entry,
      entry.copyOnWrite && entry.shareMap === null,
      entry.needsCopy && entry.shareMap === null,
      'normal',
    ),
  );
}

/** The kind of an object, as it prints. */
export function objectTypeName(object: VmObject): string {
  if (object.pager?.type === PG_VNODE) return `vnode:${object.pager.vnode.name}`;
  if (object.pager?.type === PG_DEVICE) return `device:${object.pager.device.name}`;
  return 'internal';
}

function describeObject(vm: Vm, object: VmObject): BackingLayer {
  return {
    kind: 'object',
    type: objectTypeName(object),
    size: object.size,
    ref: object.refCount,
    ...(object.shadow === null ? {} : { offset: object.shadowOffset }),
    resident: residentIndexes(vm.pages, object.firstPage),
    ...(object.copy === null ? {} : { copy: describeObject(vm, object.copy) }),
  };
}

/** The shadow chain behind a page, from the top, each object with its copy object; null when nothing is mapped there. */
export function describeBacking(vm: Vm, { map }: CsrgProcess, vpn: number): BackingLayer[] | null {
  const region = regionAt(map, vpn);
  if (region === null) return null;
  const layers: BackingLayer[] = [];
  for (let object = region.object; object !== null; object = object.shadow) layers.push(describeObject(vm, object));
  return layers;
}

/** Objects of the shadow chain behind a page. */
export function chainLength({ map }: CsrgProcess, vpn: number): number {
  let length = 0;
  for (let object = regionAt(map, vpn)?.object ?? null; object !== null; object = object.shadow) length++;
  return length;
}
