/** The parts of defects S8 and S15 that `defects.test.ts` leaves out, as seeded and mended. */
import { describe, expect, test } from 'vitest';
import { script, store } from '../../../../tests/csrg-tools.js';
import { PAGE_SIZE } from '../machine/units.js';
import { bootCsrg } from './system.js';

const VPN = 16;
const AT = VPN * PAGE_SIZE;

/**
 * Memory of three pages without a pager, of which page 0 and page `behind` are resident. A child has it too; the parent keeps page 0 only and
 * stores there: a shadow of one page, which the object below shows through nowhere. Answers the bypasses and the length of the chain.
 */
function bypass(defects: 'as-seeded' | 'mended', behind: number): { bypasses: number; chain: number | undefined } {
  const system = bootCsrg({ memoryPages: 64, swapPages: 64, defects });
  const a = system.spawn('A');
  system.brk(a, AT);
  system.brk(a, AT + 3 * PAGE_SIZE);
  store(system, a, VPN, 1);
  store(system, a, VPN + behind, 2);
  system.fork(a, 'B');
  system.unmap(a, AT + PAGE_SIZE, 2 * PAGE_SIZE);
  store(system, a, VPN, 3);
  system.check();
  return { bypasses: system.vm.counters.object_bypasses, chain: system.backing(a, AT)?.length };
}

describe.each(['as-seeded', 'mended'] as const)('%s', (defects) => {
  const mended = defects === 'mended';

  test('S8 a page just behind the window stops a bypass; mended it does not', () => {
    const passed = { bypasses: 1, chain: 1 };
    expect(bypass(defects, 1)).toEqual(mended ? passed : { bypasses: 0, chain: 2 });
    expect(bypass(defects, 2)).toEqual(passed);
  });

  test('S15 whether writing may be granted is asked of the first entry; mended of each', () => {
    const anon = 'anon private rwx';
    const copied = 'file F 0 private rwx';
    // Both pages have been stored to; then the range becomes rw-, which copy-on-write entries must not grant by themselves.
    const run = (first: string, second: string): string[] =>
      script(
        `file F 4096\nproc A\nA map 0x10000 1 ${first}\nA map 0x11000 1 ${second}\nA write 0x10000\nA write 0x11000
A protect 0x10000 2 rw-\nA pmap\nprint stores\nA write 0x10000\nA write 0x11000`,
        { defects },
      ).slice(2);
    expect(run(anon, copied)).toEqual(
      mended
        ? ['pmap A', '  0x10000-0x11000 rwx', '  0x11000-0x12000 r--', 'stores', 'fault A w 0x11000 KERN_SUCCESS minor']
        : ['pmap A', '  0x10000-0x12000 rwx', 'stores'],
    );
    const taken = ['stores', 'fault A w 0x10000 KERN_SUCCESS minor'];
    expect(run(copied, anon)).toEqual(
      mended
        ? ['pmap A', '  0x10000-0x11000 r--', '  0x11000-0x12000 rwx', ...taken]
        : ['pmap A', '  0x10000-0x12000 r--', ...taken, 'fault A w 0x11000 KERN_SUCCESS minor'],
    );
  });
});
