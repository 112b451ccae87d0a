/**
 * The text forms of what a script prints, exact to the blank: conformance compares them as text.
 *
 * These functions know forms only. What is in a dump, in which order, and how neighbours are merged is settled by
 * the system that hands over the data.
 */
import { protName } from '../vm/prot.js';
import type { BackingLayer, EntryInfo, TranslationInfo } from '../vm/system.js';

/** `0x1f000`. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** `0,3-5`: ascending numbers with neighbours joined. */
export function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let j = i;
    while (j + 1 < numbers.length && numbers[j + 1] === (numbers[j] as number) + 1) j++;
    parts.push(i === j ? `${numbers[i]}` : `${numbers[i]}-${numbers[j]}`);
    i = j + 1;
  }
  return parts.join(',');
}

export function translationLine(run: TranslationInfo): string {
  return `  ${hex(run.start)}-${hex(run.end)} ${protName(run.protection)}${run.wired ? ' wired' : ''}`;
}

/** `extra`: words of the system's own at the end of the line. */
export function entryLine(entry: EntryInfo, extra: readonly string[] = []): string {
  const words = [
    `${hex(entry.start)}-${hex(entry.end)}`,
    `${protName(entry.protection)}/${protName(entry.maximum)}`,
    `inherit=${entry.inheritance}`,
  ];
  if (entry.cow) words.push('cow');
  if (entry.needsCopy) words.push('needs_copy');
  if (entry.wired !== 0) words.push(`wired=${entry.wired}`);
  if (entry.advice !== 'normal') words.push(`advice=${entry.advice}`);
  return `  ${[...words, ...extra].join(' ')}`;
}

function objectLines(layer: Extract<BackingLayer, { kind: 'object' }>, indent: string, prefix: string): string[] {
  const words = [layer.type, `size=${layer.size}`, `ref=${layer.ref}`];
  if (layer.shadows !== undefined) words.push(`shadows=${layer.shadows}`);
  if (layer.offset !== undefined) words.push(`offset=${layer.offset}`);
  words.push(`resident=${ranges(layer.resident)}`);
  const line = `${indent}${prefix}${words.join(' ')}`;
  return layer.copy === undefined ? [line] : [line, ...layerLines(layer.copy, `${indent}  `, 'copy: ')];
}

function layerLines(layer: BackingLayer, indent: string, prefix: string): string[] {
  switch (layer.kind) {
    case 'object':
      return objectLines(layer, indent, prefix);
    case 'amap': {
      const words = ['amap', `slots=${layer.slots}`, `used=${layer.used}`, `ref=${layer.ref}`];
      if (layer.shared) words.push('shared');
      if (layer.anons.length > 0) words.push(`anons=${layer.anons.map((a) => `${a.slot}:${a.ref}`).join(',')}`);
      return [indent + words.join(' ')];
    }
    case 'uobj': {
      const words = ['uobj', layer.type, `ref=${layer.ref}`];
      if (layer.resident.length > 0) words.push(`resident=${ranges(layer.resident)}`);
      return [indent + words.join(' ')];
    }
  }
}

/** The layers behind an entry, from the top; `  none` when there is nothing. */
export function backingLines(layers: readonly BackingLayer[]): string[] {
  return layers.length === 0 ? ['  none'] : layers.flatMap((layer) => layerLines(layer, '  ', ''));
}

export function queuesLine(queues: readonly { readonly name: string; readonly pages: number }[]): string {
  return ['queues', ...queues.map((queue) => `${queue.name}=${queue.pages}`)].join(' ');
}

/** Sorted by name (as bytes, capitals first), zeros left out. */
export function counterLines(counters: Readonly<Record<string, number>>): string[] {
  return Object.keys(counters)
    .filter((name) => counters[name] !== 0)
    .sort()
    .map((name) => `  ${name} ${counters[name]}`);
}
