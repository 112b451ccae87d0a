/**
 * Copies in every direction, as scripts: what is printed was checked by hand against the algorithms, command by command. Invariants are
 * checked after each command as well.
 */
import { expect, test } from 'vitest';
import { script } from '../../../../tests/csrg-tools.js';

test('a file that is copied pushes pages into the copy object, reuses it, and puts a second one between', () => {
  expect(
    script(`
swap 64
file F 16384
proc A
A map 0x10000 4 file F 0 shared rw-
A write 0x10000 = 0x11
A inherit 0x10000 4 copy
fork A B
A backing 0x10000
B backing 0x10000
B entries
A entries
A read 0x11000
A pmap
A write 0x11000 = 0x22
A byte 0x11000
B byte 0x11000
A write 0x10000 = 0x33
B byte 0x10000
A backing 0x10000
B backing 0x10000
B write 0x10000 = 0x44
A byte 0x10000
B byte 0x10000
B backing 0x10000
fork A C
C backing 0x10000
A backing 0x10000
A write 0x12000 = 0x55
A write 0x10000 = 0x66
B byte 0x12000
C byte 0x12000
C byte 0x10000
B byte 0x11000
A byte 0x10000
pageout 20
A write 0x13000 = 0x77
A write 0x12000 = 0x78
C byte 0x13000
C byte 0x12000
exit C
A backing 0x10000
B backing 0x10000
exit B
A backing 0x10000
counters
queues
`),
  ).toEqual(
    `
fault A w 0x10000 KERN_SUCCESS major
backing A 0x10000
  vnode:F size=4 ref=2 resident=0
    copy: internal size=4 ref=1 offset=0 resident=
backing B 0x10000
  internal size=4 ref=1 offset=0 resident=
  vnode:F size=4 ref=2 resident=0
    copy: internal size=4 ref=1 offset=0 resident=
entries B
  0x10000-0x14000 rw-/rwx inherit=copy cow needs_copy
entries A
  0x10000-0x14000 rw-/rwx inherit=copy cow
fault A r 0x11000 KERN_SUCCESS major
pmap A
  0x10000-0x12000 r--
fault A w 0x11000 KERN_SUCCESS minor
byte A 0x11000 = 0x22
fault B r 0x11000 KERN_SUCCESS minor
byte B 0x11000 = 0x48
fault A w 0x10000 KERN_SUCCESS minor
fault B r 0x10000 KERN_SUCCESS minor
byte B 0x10000 = 0x11
backing A 0x10000
  vnode:F size=4 ref=2 resident=0-1
    copy: internal size=4 ref=1 offset=0 resident=0-1
backing B 0x10000
  internal size=4 ref=1 offset=0 resident=0-1
  vnode:F size=4 ref=2 resident=0-1
    copy: internal size=4 ref=1 offset=0 resident=0-1
fault B w 0x10000 KERN_SUCCESS minor
byte A 0x10000 = 0x33
byte B 0x10000 = 0x44
backing B 0x10000
  internal size=4 ref=1 offset=0 resident=0
  internal size=4 ref=1 offset=0 resident=0-1
  vnode:F size=4 ref=2 resident=0-1
    copy: internal size=4 ref=1 offset=0 resident=0-1
backing C 0x10000
  internal size=4 ref=2 offset=0 resident=
  vnode:F size=4 ref=2 resident=0-1
    copy: internal size=4 ref=2 offset=0 resident=
backing A 0x10000
  vnode:F size=4 ref=2 resident=0-1
    copy: internal size=4 ref=2 offset=0 resident=
fault A w 0x12000 KERN_SUCCESS major
fault A w 0x10000 KERN_SUCCESS minor
fault B r 0x12000 KERN_SUCCESS minor
byte B 0x12000 = 0x8f
fault C r 0x12000 KERN_SUCCESS minor
byte C 0x12000 = 0x8f
fault C r 0x10000 KERN_SUCCESS minor
byte C 0x10000 = 0x33
byte B 0x11000 = 0x48
byte A 0x10000 = 0x66
fault A w 0x13000 KERN_SUCCESS major
fault A w 0x12000 KERN_SUCCESS major
fault C r 0x13000 KERN_SUCCESS minor
byte C 0x13000 = 0xd6
fault C r 0x12000 KERN_SUCCESS major
byte C 0x12000 = 0x8f
backing A 0x10000
  vnode:F size=4 ref=2 resident=2-3
    copy: internal size=4 ref=1 offset=0 resident=2-3
backing B 0x10000
  internal size=4 ref=1 offset=0 resident=
  internal size=4 ref=1 offset=0 resident=2-3
  vnode:F size=4 ref=2 resident=2-3
    copy: internal size=4 ref=1 offset=0 resident=2-3
backing A 0x10000
  vnode:F size=4 ref=1 resident=2-3
counters
  v_cow_faults 1
  v_pageins 6
  v_vm_faults 16
queues free=4094 inactive=0 active=2 wired=0
`
      .trim()
      .split('\n'),
  );
});

test('a push waits for memory and begins again', () => {
  expect(
    script(`
memory 8
swap 64
file F 16384
proc A
A map 0x10000 4 file F 0 shared rw-
A write 0x10000 4 = 1
A inherit 0x10000 4 copy
fork A B
A map 0x20000 8 anon private rw-
A write 0x20000 4 = 2
queues
A write 0x10000 4 = 3
B byte 0x10000
B byte 0x11000
B byte 0x12000
B byte 0x13000
A byte 0x10000
counters
queues
`),
  ).toEqual(
    `
fault A w 0x10000 KERN_SUCCESS major
fault A w 0x11000 KERN_SUCCESS major
fault A w 0x12000 KERN_SUCCESS major
fault A w 0x13000 KERN_SUCCESS major
fault A w 0x20000 KERN_SUCCESS minor
fault A w 0x21000 KERN_SUCCESS minor
fault A w 0x22000 KERN_SUCCESS minor
fault A w 0x23000 KERN_SUCCESS minor
queues free=0 inactive=0 active=8 wired=0
fault A w 0x10000 KERN_SUCCESS minor
fault A w 0x11000 KERN_SUCCESS major
fault A w 0x12000 KERN_SUCCESS major
fault A w 0x13000 KERN_SUCCESS major
fault B r 0x10000 KERN_SUCCESS minor
byte B 0x10000 = 0x01
fault B r 0x11000 KERN_SUCCESS minor
byte B 0x11000 = 0x01
fault B r 0x12000 KERN_SUCCESS minor
byte B 0x12000 = 0x01
fault B r 0x13000 KERN_SUCCESS minor
byte B 0x13000 = 0x01
fault A r 0x10000 KERN_SUCCESS minor
byte A 0x10000 = 0x03
counters
  v_pageins 7
  v_reactivated 4
  v_vm_faults 17
  v_zfod 4
queues free=0 inactive=1 active=7 wired=0
`
      .trim()
      .split('\n'),
  );
});

test('a device is copied like a file, but its translations cannot be taken away', () => {
  expect(
    script(`
device D 4
proc A
A map 0x10000 5 device D 0 shared rw-
A map 0x10000 2 device D 2 shared rw-
A read 0x10000
A map 0x20000 4 device D 0 private rw-
A backing 0x20000
A read 0x20000 4
A write 0x20000 = 9
A pmap
A entries
fork A B
B backing 0x20000
A read 0x21000
A write 0x20000 = 8
A pmap
B byte 0x20000
B write 0x21000 = 7
A byte 0x21000
B backing 0x20000
A backing 0x20000
queues
counters
exit A
exit B
queues
`),
  ).toEqual(
    `
error A map EINVAL
fault A r 0x10000 KERN_PROTECTION_FAILURE
backing A 0x20000
  device:D size=2 ref=2 resident=0-1
fault A r 0x20000 KERN_SUCCESS minor
fault A r 0x21000 KERN_SUCCESS minor
fault A r 0x22000 KERN_PROTECTION_FAILURE
fault A r 0x23000 KERN_PROTECTION_FAILURE
pmap A
  0x20000-0x22000 rw-
entries A
  0x10000-0x12000 rw-/rwx inherit=share
  0x20000-0x24000 rw-/rwx inherit=copy
backing B 0x20000
  internal size=2 ref=1 offset=0 resident=
  device:D size=2 ref=3 resident=0-1
    copy: internal size=2 ref=1 offset=0 resident=
fault A w 0x20000 KERN_SUCCESS minor
pmap A
  0x20000-0x21000 rw-
  0x21000-0x22000 r--
fault B r 0x20000 KERN_SUCCESS minor
byte B 0x20000 = 0x09
fault B w 0x21000 KERN_SUCCESS minor
byte A 0x21000 = 0x48
backing B 0x20000
  internal size=4 ref=1 offset=0 resident=1
  internal size=2 ref=1 offset=0 resident=0
  device:D size=2 ref=3 resident=0-1
    copy: internal size=2 ref=1 offset=0 resident=0
backing A 0x20000
  device:D size=2 ref=3 resident=0-1
    copy: internal size=2 ref=1 offset=0 resident=0
queues free=4094 inactive=0 active=2 wired=0
counters
  v_cow_faults 1
  v_vm_faults 8
queues free=4096 inactive=0 active=0 wired=0
`
      .trim()
      .split('\n'),
  );
});

test('a copy out of a sharing map with one reference left', () => {
  expect(
    script(`
proc A
A map 0x10000 2 anon shared rw-
A write 0x10000 2 = 1
fork A B
exit A
B inherit 0x10000 2 copy
B write 0x10000 = 2
fork B C
B backing 0x10000
C backing 0x10000
B pmap
B write 0x10000 = 3
C byte 0x10000
B write 0x11000 = 4
C byte 0x11000
C write 0x10000 = 5
B byte 0x10000
C backing 0x10000
B backing 0x10000
`),
  ).toEqual(
    `
fault A w 0x10000 KERN_SUCCESS minor
fault A w 0x11000 KERN_SUCCESS minor
fault B w 0x10000 KERN_SUCCESS minor
backing B 0x10000
  internal size=2 ref=2 resident=0-1
backing C 0x10000
  internal size=2 ref=2 resident=0-1
pmap B
  0x10000-0x11000 rw-
fault C r 0x10000 KERN_SUCCESS minor
byte C 0x10000 = 0x03
fault B w 0x11000 KERN_SUCCESS minor
fault C r 0x11000 KERN_SUCCESS minor
byte C 0x11000 = 0x01
fault C w 0x10000 KERN_SUCCESS minor
fault B r 0x10000 KERN_SUCCESS minor
byte B 0x10000 = 0x03
backing C 0x10000
  internal size=2 ref=1 offset=0 resident=0
  internal size=2 ref=2 resident=0-1
backing B 0x10000
  internal size=2 ref=1 offset=0 resident=1
  internal size=2 ref=2 resident=0-1
`
      .trim()
      .split('\n'),
  );
});

test('a wired range is copied at once, as often as it takes to have the frames', () => {
  expect(
    script(`
memory 12
swap 64
proc A
A map 0x10000 4 anon private rw-
A wire 0x10000 4
A map 0x20000 8 anon private rw-
A write 0x20000 8
queues
fork A B
B pmap
B backing 0x10000
A entries
B entries
queues
A byte 0x10000
fork A C
queues
counters
`),
  ).toEqual(
    `
fault A w 0x20000 KERN_SUCCESS minor
fault A w 0x21000 KERN_SUCCESS minor
fault A w 0x22000 KERN_SUCCESS minor
fault A w 0x23000 KERN_SUCCESS minor
fault A w 0x24000 KERN_SUCCESS minor
fault A w 0x25000 KERN_SUCCESS minor
fault A w 0x26000 KERN_SUCCESS minor
fault A w 0x27000 KERN_SUCCESS minor
queues free=0 inactive=0 active=8 wired=4
pmap B
  0x10000-0x14000 rwx
backing B 0x10000
  internal size=4 ref=1 resident=0-3
entries A
  0x10000-0x14000 rw-/rwx inherit=copy wired=1
  0x20000-0x28000 rw-/rwx inherit=copy cow needs_copy
entries B
  0x10000-0x14000 rw-/rwx inherit=copy
  0x20000-0x28000 rw-/rwx inherit=copy cow needs_copy
queues free=0 inactive=3 active=5 wired=4
byte A 0x10000 = 0x00
queues free=2 inactive=3 active=3 wired=4
counters
  v_vm_faults 12
  v_zfod 12
`
      .trim()
      .split('\n'),
  );
});

test('chains of forks are passed over and joined', () => {
  expect(
    script(`
swap 64
proc A
A map 0x10000 2 anon private rw-
A write 0x10000 = 1
fork A B
A write 0x10000 2 = 2
B read 0x10000
fork A C
A write 0x10000 2 = 3
A backing 0x10000
exit B
A backing 0x10000
C byte 0x10000
C write 0x10000 2 = 4
C backing 0x10000
A backing 0x10000
exit C
fork A D
A write 0x10000 = 5
A backing 0x10000
D backing 0x10000
exit D
A write 0x11000 = 6
A backing 0x10000
counters
queues
`),
  ).toEqual(
    `
fault A w 0x10000 KERN_SUCCESS minor
fault A w 0x10000 KERN_SUCCESS minor
fault A w 0x11000 KERN_SUCCESS minor
fault B r 0x10000 KERN_SUCCESS minor
fault A w 0x10000 KERN_SUCCESS minor
fault A w 0x11000 KERN_SUCCESS minor
backing A 0x10000
  internal size=2 ref=1 offset=0 resident=0-1
  internal size=2 ref=3 resident=0
backing A 0x10000
  internal size=2 ref=1 offset=0 resident=0-1
  internal size=2 ref=2 resident=0
fault C r 0x10000 KERN_SUCCESS minor
byte C 0x10000 = 0x02
fault C w 0x10000 KERN_SUCCESS minor
fault C w 0x11000 KERN_SUCCESS minor
backing C 0x10000
  internal size=2 ref=1 offset=0 resident=0-1
  internal size=2 ref=2 resident=0
backing A 0x10000
  internal size=2 ref=1 offset=0 resident=0-1
  internal size=2 ref=2 resident=0
fault A w 0x10000 KERN_SUCCESS minor
backing A 0x10000
  internal size=2 ref=1 offset=0 resident=0
  internal size=2 ref=2 offset=0 resident=0-1
  internal size=2 ref=1 resident=0
backing D 0x10000
  internal size=2 ref=2 offset=0 resident=0-1
  internal size=2 ref=1 resident=0
fault A w 0x11000 KERN_SUCCESS minor
backing A 0x10000
  internal size=2 ref=1 resident=0-1
counters
  v_cow_faults 6
  v_vm_faults 11
  v_zfod 2
queues free=4094 inactive=0 active=2 wired=0
`
      .trim()
      .split('\n'),
  );
});

test('the cache keeps the pages of a hundred files, and forgets the oldest', () => {
  const names = Array.from({ length: 103 }, (_, n) => `F${n}`);
  const visit = (name: string): string =>
    `A map 0x10000 1 file ${name} 0 shared r--\nA byte 0x10000\nA unmap 0x10000 1\n`;
  const files = names.map((name) => `file ${name} 4096\n`).join('');
  const first = `${files}proc A\n${names.map(visit).join('')}queues\nprint again\n`;
  const lines = script(`${first}${visit('F102')}${visit('F4')}${visit('F2')}${visit('F0')}queues`);
  const at = lines.indexOf('again');
  expect(lines[at - 1]).toBe('queues free=3996 inactive=100 active=0 wired=0');
  expect(lines.slice(at + 1).filter((line) => line.startsWith('fault'))).toEqual([
    'fault A r 0x10000 KERN_SUCCESS minor',
    'fault A r 0x10000 KERN_SUCCESS minor',
    'fault A r 0x10000 KERN_SUCCESS major',
    'fault A r 0x10000 KERN_SUCCESS major',
  ]);
});

test('a page that the copy object has already is not pushed twice', () => {
  const text = `file F 4096\nproc A\nA map 0x10000 1 file F 0 shared rw-\nA inherit 0x10000 1 copy\nfork A B
A write 0x10000 = 2\nA protect 0x10000 1 r--\nA protect 0x10000 1 rw-\nA write 0x10000 = 3\nB byte 0x10000`;
  expect(script(text).at(-1)).toBe('byte B 0x10000 = 0x01');
});
