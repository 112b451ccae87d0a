/** Pages on loan, with real contents: what the one writes, the other does not see, whoever of them it is. */
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { patternPage } from '../scenario/pattern.js';
import { loanToKernel, loanToProcess, unloanKernel } from './own-commands.js';
import type { NetbsdProcess } from './process.js';
import type { NetbsdSystem } from './system.js';
import { bootNetbsd } from './system.js';
import { BASE, mapAt } from './testing.js';

const PAGES = 3;
const ADDRESS = BASE * PAGE_SIZE;
/** Where the borrower has them. */
const THERE = 0x100;

interface Scene {
  readonly system: NetbsdSystem;
  readonly lender: NetbsdProcess;
  readonly store: MemoryStore;
}

/** Bytes of a page that a process may use so, faulted in. */
function page(system: NetbsdSystem, process: NetbsdProcess, vpn: number, access: 0 | 1): Buffer {
  if (system.translate(process, vpn, access) < 0) expect(system.fault(process, vpn, access)).toBe(0);
  return Buffer.from(system.frameBytes(system.translate(process, vpn, access)) as Uint8Array);
}

function overwrite(system: NetbsdSystem, process: NetbsdProcess, vpn: number, value: number): void {
  page(system, process, vpn, ACCESS_WRITE);
  (system.frameBytes(system.translate(process, vpn, ACCESS_WRITE)) as Uint8Array).fill(value);
}

/** A process with some pages, each of its own contents: those of a file, or its own. */
function scene(kind: 'anon' | 'file'): Scene {
  const system = bootNetbsd({ memoryPages: 128, swapPages: 128 });
  const lender = system.spawn('lender');
  const bytes = Buffer.concat(Array.from({ length: PAGES }, (_, i) => patternPage(i + 1)));
  const store = new MemoryStore(new Uint8Array(bytes));
  if (kind === 'file') {
    mapAt(system, lender, PAGES, { kind: 'file', file: system.createFile('F', store), offset: 0 }, 'shared');
  } else {
    mapAt(system, lender, PAGES);
    for (let i = 0; i < PAGES; i++) {
      page(system, lender, BASE + i, ACCESS_WRITE);
      (system.frameBytes(system.translate(lender, BASE + i, ACCESS_WRITE)) as Uint8Array).set(patternPage(i + 1));
    }
  }
  return { system, lender, store };
}

function expectPattern(seen: readonly Uint8Array[]): void {
  seen.forEach((bytes, i) => {
    expect(Buffer.from(bytes).equals(patternPage(i + 1))).toBe(true);
  });
}

/** What a process sees of the pages from a place on. */
function pages(system: NetbsdSystem, process: NetbsdProcess, vpn: number): Buffer[] {
  return Array.from({ length: PAGES }, (_, i) => page(system, process, vpn + i, ACCESS_READ));
}

describe.each(['anon', 'file'] as const)('a loan of %s pages', (kind) => {
  it('to the kernel: it keeps what there was, the lender has what it writes, and when given back nothing is left', () => {
    const { system, lender } = scene(kind);
    const lent = system.call(lender, loanToKernel(system.vm, lender, ADDRESS, PAGES)) as number[];
    const kernel = (): Uint8Array[] => lent.map((frame) => system.frameBytes(frame) as Uint8Array);
    expectPattern(kernel());
    for (let i = 0; i < PAGES; i++) overwrite(system, lender, BASE + i, 0xa0 + i);
    expectPattern(kernel());
    pages(system, lender, BASE).forEach((bytes, i) => {
      expect(bytes.equals(Buffer.alloc(PAGE_SIZE, 0xa0 + i))).toBe(true);
    });
    system.check();
    system.exit(lender);
    expectPattern(kernel());
    unloanKernel(system.vm, lent);
    system.check();
    expect(system.vm.pages.free).toBe(128 - (kind === 'file' ? PAGES : 0));
  });

  it('to the kernel, and paged out meanwhile: both have what there was', () => {
    const { system, lender } = scene(kind);
    const lent = system.call(lender, loanToKernel(system.vm, lender, ADDRESS, PAGES)) as number[];
    system.pageout(100);
    overwrite(system, lender, BASE + 1, 0x55);
    expectPattern(lent.map((frame) => system.frameBytes(frame) as Uint8Array));
    const seen = pages(system, lender, BASE);
    expect(seen[0]?.equals(patternPage(1))).toBe(true);
    expect(seen[1]?.equals(Buffer.alloc(PAGE_SIZE, 0x55))).toBe(true);
    unloanKernel(system.vm, lent);
    system.check();
  });

  it('to an anon: the borrower does not see what the lender writes', () => {
    const { system, lender } = scene(kind);
    const borrower = system.spawn('borrower');
    const place = THERE * PAGE_SIZE;
    expect(system.call(lender, loanToProcess(system.vm, lender, ADDRESS, PAGES, borrower, place))).toBe(0);
    for (let i = 0; i < PAGES; i++) overwrite(system, lender, BASE + i, 0xb0 + i);
    expectPattern(pages(system, borrower, THERE));
    system.check();
    system.exit(lender);
    system.pageout(100);
    expectPattern(pages(system, borrower, THERE));
    system.exit(borrower);
    system.check();
    expect(system.vm.liveAnons).toBe(0);
    expect(system.vm.swap.inUse).toBe(0);
  });

  it('to an anon: the lender does not see what the borrower writes, and a file neither', () => {
    const { system, lender, store } = scene(kind);
    const borrower = system.spawn('borrower');
    const place = THERE * PAGE_SIZE;
    expect(system.call(lender, loanToProcess(system.vm, lender, ADDRESS, PAGES, borrower, place))).toBe(0);
    for (let i = 0; i < PAGES; i++) overwrite(system, borrower, THERE + i, 0xc0 + i);
    expectPattern(pages(system, lender, BASE));
    system.check();
    expect(system.sync(lender, ADDRESS, PAGES * PAGE_SIZE)).toBe(0);
    const stored = Array.from({ length: PAGES }, () => new Uint8Array(PAGE_SIZE));
    store.read(0, stored);
    expectPattern(stored);
    system.exit(borrower);
    expectPattern(pages(system, lender, BASE));
    system.check();
  });
});

it('zeros are lent where nothing has been written yet, and stay zeros for the borrower', () => {
  const system = bootNetbsd({ memoryPages: 128 });
  const [lender, borrower] = [system.spawn('lender'), system.spawn('borrower')];
  mapAt(system, lender, PAGES);
  const place = THERE * PAGE_SIZE;
  expect(system.call(lender, loanToProcess(system.vm, lender, ADDRESS, PAGES, borrower, place))).toBe(0);
  overwrite(system, lender, BASE, 1);
  overwrite(system, borrower, THERE + 1, 2);
  const zeros = Buffer.alloc(PAGE_SIZE);
  expect(pages(system, borrower, THERE).map((bytes) => bytes.equals(zeros))).toEqual([true, false, true]);
  expect(pages(system, lender, BASE).map((bytes) => bytes.equals(zeros))).toEqual([false, true, true]);
  system.check();
});
