/** Page tables and reverse maps against a plain map of translations. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEAF_PAGES, NO_SLOT, PageTables, PTE_MANAGED, PTE_PROT, PTE_READ, PTE_WIRED } from './pagetable.js';
import { MAX_ASN } from './tlb.js';

const noShootdown = { page: () => {}, all: () => {} };
const FRAMES = 64;

/** Pages near and far apart, so that leaves and interior nodes come and go. */
const anyPage = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 500, max: 530 }),
  fc.constantFrom(0x7fffffffe, 0x7ffffffff, 2 ** 18, 2 ** 27 + 3, 2 ** 34),
);
const anyStep = fc.record({ pmap: fc.integer({ min: 0, max: 2 }), vpn: anyPage, frame: fc.nat(FRAMES - 1) });

describe('page tables', () => {
  it('hold what was inserted, in order, and know every translation of a frame', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 120 }), (steps) => {
        const tables = new PageTables(FRAMES, noShootdown);
        const pmaps = [tables.createPmap(), tables.createPmap(), tables.createPmap()];
        const model = pmaps.map(() => new Map<number, number>());
        for (const { pmap, vpn, frame } of steps) {
          const space = pmaps[pmap]!;
          const slot = tables.slotOf(space, vpn);
          if (slot === NO_SLOT) {
            tables.insert(space, vpn, frame, PTE_READ | PTE_MANAGED);
            model[pmap]!.set(vpn, frame);
          } else {
            tables.remove(slot);
            model[pmap]!.delete(vpn);
          }
        }
        pmaps.forEach((space, i) => {
          const found: [number, number][] = [];
          for (let s = tables.nextSlot(space, 0, 2 ** 35); s !== NO_SLOT; ) {
            const vpn = tables.vpnOfSlot(s);
            found.push([vpn, tables.frameOf(tables.pte[s] as number)]);
            s = tables.nextSlot(space, vpn + 1, 2 ** 35);
          }
          expect(found).toEqual([...model[i]!].sort(([a], [b]) => a - b));
          expect(space.residentCount).toBe(found.length);
        });
        for (let frame = 0; frame < FRAMES; frame++) {
          let mapped = 0;
          for (let s = tables.firstMapping(frame); s !== NO_SLOT; s = tables.nextMapping(s)) mapped++;
          expect(mapped).toBe(model.reduce((n, m) => n + [...m.values()].filter((f) => f === frame).length, 0));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('free a leaf with its last translation and use it again', () => {
    const tables = new PageTables(FRAMES, noShootdown);
    const pmap = tables.createPmap();
    for (let round = 0; round < 1000; round++) {
      const slot = tables.insert(pmap, round * LEAF_PAGES * 7, 1, PTE_READ);
      expect(tables.regionCount(pmap, round * LEAF_PAGES * 7)).toBe(1);
      tables.remove(slot);
      expect(tables.regionCount(pmap, round * LEAF_PAGES * 7)).toBe(0);
    }
    expect(tables.pte.length).toBeLessThanOrEqual(LEAF_PAGES * 16);
  });

  it('keep the wired count when flags change', () => {
    const tables = new PageTables(FRAMES, noShootdown);
    const pmap = tables.createPmap();
    const slot = tables.insert(pmap, 5, 3, PTE_READ | PTE_WIRED);
    expect(pmap.wiredCount).toBe(1);
    tables.setFlags(slot, PTE_READ);
    expect(pmap.wiredCount).toBe(0);
    expect((tables.pte[slot] as number) & PTE_PROT).toBe(PTE_READ);
    tables.setFlags(slot, PTE_READ | PTE_WIRED);
    tables.remove(slot);
    expect(pmap.wiredCount).toBe(0);
  });

  it('begin a new generation of address-space numbers when they run out', () => {
    let flushes = 0;
    const tables = new PageTables(FRAMES, { page: () => {}, all: () => flushes++ });
    const pmaps = Array.from({ length: MAX_ASN + 1 }, () => tables.createPmap());
    const numbers = pmaps.map((pmap) => tables.asnOf(pmap));
    expect(new Set(numbers.slice(0, MAX_ASN)).size).toBe(MAX_ASN);
    expect(flushes).toBe(1);
    expect(numbers[MAX_ASN]).toBe(1);
    expect(tables.asnOf(pmaps[0]!)).toBe(2);
  });
});
