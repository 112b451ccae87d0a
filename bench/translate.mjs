/*
 * Translation: what a guest's loads cost through ours, beside the same loads from a plain array.
 *
 * `hit` is what an emulator does that knows the layout of the translation buffer (see the head of core's machine/tlb.ts): it
 * compares the tag and indexes the frame itself. `hit-call` asks `translate` each time. Both load words at random from 64 pages
 * (256 KiB), a million a round. `miss` goes through more pages, one access each, than the buffer has entries, so that every one of them
 * misses, is walked and enters the buffer.
 */
import { ACCESS_READ, TLB_MASK, TLB_TAG_BITS } from '@faultline/core';
import { MACHINE_PAGES } from './lines.mjs';
import { each } from './rounds.mjs';
import { FIRST_PAGE, PAGE, Space } from './space.mjs';

const HIT_PAGES = 64;
const MISS_PAGES = 16384;
const MISS_PASSES = 64;
const WORD_SHIFT = 10;
const WORDS = 1 << WORD_SHIFT;
const LOADS = 1 << 12;
/** Calls of a loop in a round: many short ones, so that V8 compiles the function and not merely a loop that it finds running. */
const PASSES = 256;

/** Byte addresses of words at random in the pages; the same in every run. */
function randomAddresses(pages) {
  const addresses = new Int32Array(LOADS);
  let seed = 1;
  for (let i = 0; i < LOADS; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    addresses[i] = FIRST_PAGE * PAGE + Math.floor((seed / 2 ** 32) * pages * WORDS) * 4;
  }
  return addresses;
}

/** The words where they lie in the buffer: no address space at all. */
function untranslated(words, offsets) {
  let sum = 0;
  for (let i = 0; i < offsets.length; i++) sum = (sum + words[offsets[i] >>> 2]) | 0;
  return sum;
}

/**
 * As an emulator would have it. What the loop needs is in local variables that are known to be integers: a constant of a module would be
 * loaded, and looked at, each time that it is used.
 */
function inline(guest, addresses) {
  const { system, process, words } = guest;
  const { tags, frames } = system.tlb;
  const mask = TLB_MASK | 0;
  const shift = WORD_SHIFT | 0;
  const inPage = (WORDS - 1) | 0;
  const space = system.addressSpaceNumber(process) << TLB_TAG_BITS;
  let sum = 0;
  for (let i = 0; i < addresses.length; i++) {
    const address = addresses[i];
    const slot = (address >>> 12) & mask;
    // The tag of a page below 4 GiB: the address-space number, and the bits of the address above those of the slot.
    const frame = tags[slot] === (space | (address >>> 24)) ? frames[slot] : walk(guest, address);
    sum = (sum + words[(frame << shift) | ((address >>> 2) & inPage)]) | 0;
  }
  return sum;
}

function walk({ system, process }, address) {
  return system.translate(process, address >>> 12, ACCESS_READ);
}

function called({ system, process, words }, addresses) {
  let sum = 0;
  for (let i = 0; i < addresses.length; i++) {
    const address = addresses[i];
    const frame = system.translate(process, address >>> 12, ACCESS_READ);
    sum = (sum + words[(frame << WORD_SHIFT) | ((address >>> 2) & (WORDS - 1))]) | 0;
  }
  return sum;
}

/** A load from every page through `translate`; `pages` are more than the buffer holds. */
function missed({ system, process, words }, pages) {
  let sum = 0;
  for (let vpn = FIRST_PAGE; vpn < FIRST_PAGE + pages; vpn++) {
    sum = (sum + words[system.translate(process, vpn, ACCESS_READ) * WORDS]) | 0;
  }
  return sum;
}

export function sides(line, name) {
  const pages = line.name === 'miss' ? MISS_PAGES : HIT_PAGES;
  const space = new Space(name, MACHINE_PAGES);
  const process = space.process(pages);
  space.store(process, pages);
  const words = new Int32Array(space.bytes.buffer);
  const guest = { system: space.system, process, words };
  const frames = Array.from({ length: pages }, (_, i) => space.system.translate(process, FIRST_PAGE + i, ACCESS_READ));
  if (line.name === 'miss') {
    const offsets = Int32Array.from(frames, (frame) => frame * PAGE);
    return {
      ours: () => check(MISS_PASSES * pages, () => repeat(MISS_PASSES, () => missed(guest, pages))),
      load: () => check(MISS_PASSES * pages, () => repeat(MISS_PASSES, () => untranslated(words, offsets))),
    };
  }
  const addresses = randomAddresses(pages);
  const offsets = addresses.map((address) => frames[(address >>> 12) - FIRST_PAGE] * PAGE + (address & (PAGE - 1)));
  const load = line.name === 'hit' ? inline : called;
  return {
    ours: () => check(PASSES * LOADS, () => repeat(PASSES, () => load(guest, addresses))),
    load: () => check(PASSES * LOADS, () => repeat(PASSES, () => untranslated(words, offsets))),
  };
}

function repeat(times, work) {
  let sum = 0;
  for (let i = 0; i < times; i++) sum = (sum + work()) | 0;
  return sum;
}

/** Times the work. What it answers is used, or V8 might leave the loads out. */
function check(count, work) {
  let sum = 0;
  const ns = each(count, () => {
    sum = work();
  });
  return Number.isInteger(sum) ? ns : Number.NaN;
}
