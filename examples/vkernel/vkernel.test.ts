import { dragonfly } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { GuestKernel } from './vkernel.js';

const { VPTE_A, VPTE_M, VPTE_V } = dragonfly;

describe('a guest kernel in one process', () => {
  it('runs two address spaces that do not see each other', () => {
    const guest = new GuestKernel(64);
    const red = guest.createSpace('red');
    const blue = guest.createSpace('blue');
    guest.switchTo(red);
    guest.store(0x3000, 1);
    guest.switchTo(blue);
    guest.store(0x3000, 2);
    guest.store(0x5000, 3);
    guest.switchTo(red);
    expect(guest.load(0x3000)).toBe(1);
    guest.switchTo(blue);
    expect([guest.load(0x3000), guest.load(0x5000)]).toEqual([2, 3]);
    expect(guest.entry(red, 5)).toBe(0);
    guest.host.check();
  });

  it('sees the first store to a page that was only read', () => {
    const guest = new GuestKernel(64);
    const space = guest.createSpace('red');
    guest.switchTo(space);
    expect(guest.load(0x7000)).toBe(0);
    expect(guest.entry(space, 7) & (VPTE_V | VPTE_A | VPTE_M)).toBe(VPTE_V | VPTE_A);
    guest.store(0x7000, 9);
    expect(guest.entry(space, 7) & VPTE_M).toBe(VPTE_M);
    expect(guest.load(0x7000)).toBe(9);
  });

  it('tells every fault at both levels', () => {
    const guest = new GuestKernel(64);
    guest.switchTo(guest.createSpace('red'));
    guest.store(0x3000, 1);
    expect(
      guest.story.filter((line) => !line.startsWith('    host') && !line.startsWith('  host fault: KERN_S')),
    ).toEqual([
      'guest: switches to red',
      'red writes page 3',
      '  host fault: KERN_FAILURE',
      '  guest fault: gives red frame 2 as page 3',
      'red writes page 3',
    ]);
    expect(guest.story).toContain('    host F50: The entry of the virtual page table is not valid.');
    expect(guest.story.at(-1)).toBe('  host fault: KERN_SUCCESS');
  });
});
