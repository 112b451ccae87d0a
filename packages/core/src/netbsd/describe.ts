/** Looking from outside: the dumps that scenarios and reports print. Nothing here changes anything. */
import { entryInfo, residentIndexes } from '../vm/describe.js';
import type { Advice, BackingLayer, EntryInfo } from '../vm/system.js';
import type { Amap } from './amap.js';
import type { AnonObject } from './aobj.js';
import type { DeviceObject } from './device.js';
import type { MapEntry } from './map.js';
import { ADVICE_RANDOM, ADVICE_SEQUENTIAL, UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY } from './map.js';
import type { UvmObject } from './object.js';
import type { NetbsdProcess } from './process.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';

export function adviceName(entry: MapEntry): Advice {
  if (entry.advice === ADVICE_SEQUENTIAL) return 'sequential';
  return entry.advice === ADVICE_RANDOM ? 'random' : 'normal';
}

export function describeEntries({ map }: NetbsdProcess): EntryInfo[] {
  return map.index.map((entry) =>
    entryInfo(
      entry,
      (entry.etype & UVM_ET_COPYONWRITE) !== 0,
      (entry.etype & UVM_ET_NEEDSCOPY) !== 0,
      adviceName(entry),
    ),
  );
}

/** `vnode:F`, `aobj:S`, `device:D`. */
export function objectTypeName(object: UvmObject): string {
  switch (object.kind) {
    case 'vnode':
      return `vnode:${(object as VnodeObject).name}`;
    case 'aobj':
      return `aobj:${(object as AnonObject).name}`;
    case 'device':
      return `device:${(object as DeviceObject).device.name}`;
    default:
      return object.kind;
  }
}

function amapLayer(entry: MapEntry, amap: Amap): BackingLayer {
  const anons: { slot: number; ref: number }[] = [];
  for (let slot = 0; slot < entry.end - entry.start; slot++) {
    const anon = amap.anons[entry.pageoff + slot];
    if (anon !== null) anons.push({ slot, ref: anon.ref });
  }
  return { kind: 'amap', slots: amap.nslot, used: amap.used, ref: amap.ref, shared: amap.shared, anons };
}

/** The two layers behind a page, a missing one left out; null when nothing is mapped there. */
export function describeBacking(vm: Vm, { map }: NetbsdProcess, vpn: number): BackingLayer[] | null {
  const entry = map.lookup(vpn);
  if (entry === null) return null;
  const layers: BackingLayer[] = [];
  if (entry.amap !== null) layers.push(amapLayer(entry, entry.amap));
  const { object } = entry;
  if (object !== null) {
    layers.push({
      kind: 'uobj',
      type: objectTypeName(object),
      ref: object.refs,
      resident: residentIndexes(vm.pages, object.first),
    });
  }
  return layers;
}

/** How many of the two layers there are behind a page. */
export function chainLength({ map }: NetbsdProcess, vpn: number): number {
  const entry = map.lookup(vpn);
  if (entry === null) return 0;
  return (entry.amap === null ? 0 : 1) + (entry.object === null ? 0 : 1);
}
