/** Programs found: stacks that grow, meet and are locked. */
import { PLACE_BYTES, PLACED } from '../program.js';
import { ALL, as, type Found, map, open, STACK } from './found.js';

export const WITH_STACKS: readonly Found[] = [
  {
    name: 'an address with nothing mapped was a bus error where a stack lies above it and may not grow so far',
    systems: ['freebsd', 'dragonfly'],
    operations: [{ op: 'load', who: 0, at: 0x20b004, width: 4 }],
  },
  {
    name: 'what lay below a stack became part of it when the stack grew down to it, and grew further',
    systems: ALL,
    memoryPages: 250,
    operations: [
      map(0x1f5000, 0x51000, 7, STACK),
      { op: 'sbrk', who: 0, increment: 0x4000 },
      { op: 'copyout', who: 0, at: 0x218000, length: 0x2ee, value: 122 },
      { op: 'touch', who: 0, at: 0x204ac0, length: 0x1000, access: 1 },
    ],
  },
  {
    name: 'a stack that has grown, lost some of that and grown again (dragonfly) goes by the least room that it ever had',
    systems: ALL,
    memoryPages: 167,
    operations: [
      map(0x1dc000, 0x63000, 3, STACK),
      { op: 'fetch', who: 0, at: 0x21b000 },
      { op: 'munmap', who: 0, at: 0x20f000, length: 0x4000 },
      { op: 'store', who: 0, at: 0x210000, width: 1, value: 25 },
      open('b'),
      { op: 'munmap', who: 0, at: 0x212000, length: 0x6000 },
      { op: 'read', who: 0, fd: 0, at: 0x216000, length: 0x1000 },
      { op: 'store', who: 0, at: 0x213000, width: 1, value: 138 },
    ],
  },
  {
    name: 'a stack that has grown down to what was left of it before becomes one with that (dragonfly), and grows no further',
    systems: ALL,
    operations: [
      map(0x1f8000, 0x42000, 7, STACK),
      { op: 'load', who: 0, at: 0x214000, width: 2 },
      { op: 'munmap', who: 0, at: 0x1fe000, length: 0x1d000 },
      { op: 'touch', who: 0, at: 0x207c09, length: 0x1000, access: 1 },
      { op: 'munlock', who: 0, at: 0x209000, length: 0x1000 },
      { op: 'load', who: 0, at: 0x1f9000, width: 8 },
    ],
  },
  {
    name: 'two stacks that touch become one (dragonfly), which grows by the room of the upper one',
    systems: ALL,
    memoryPages: 102,
    operations: [
      map(0x1c2000, 0x5f000, 7, STACK),
      map(0x208000, 0x3a000, 7, STACK),
      { op: 'load', who: 0, at: 0x21e000, width: 2 },
      { op: 'minherit', who: 0, at: 0x211000, length: 0x1000, how: 2 },
      { op: 'store', who: 0, at: 0x1e9000, width: 4, value: 171 },
    ],
  },
  {
    name: 'two stacks that touch become one (dragonfly), which grows by the room of the lower one',
    systems: ALL,
    memoryPages: 181,
    operations: [
      map(0x1d2000, 0x2f000, 3, STACK),
      map(PLACED + 0x4000, 0x1d000, 3, STACK),
      { op: 'munlock', who: 0, at: PLACED + PLACE_BYTES + 0x1000, length: 0x1000 },
      { op: 'munmap', who: 0, at: 0x1fa000, length: 0x3000 },
      { op: 'touch', who: 0, at: 0x1fb000, length: 0x37, access: 0 },
    ],
  },
  {
    name: 'a stack that grows under MCL_FUTURE is locked as a whole (dragonfly): no more can be locked then',
    systems: ALL,
    memoryPages: 101,
    // A comparison would lock its own buffer.
    compareEvery: 100,
    operations: [
      { op: 'fork', who: 0 },
      as(5, map(0x207000, 0x1000, 7, STACK)),
      { op: 'mlockall', who: 0, flags: 2 },
      as(3, map(0x1ef000, 0x44000, 7, 0x1402)),
      map(0x1ee000, 0x6000, 3, 0x1001),
      { op: 'fork', who: 1 },
      { op: 'mlockall', who: 2, flags: 2 },
      { op: 'load', who: 2, at: PLACED + 3 * PLACE_BYTES, width: 1 },
      { op: 'mlock', who: 0, at: PLACED + 2 * PLACE_BYTES + 0x1000, length: 0x4000 },
    ],
  },
];
