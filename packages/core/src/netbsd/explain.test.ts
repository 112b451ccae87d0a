/** Explanations as they are printed, and the branch table that they are made from. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BranchRow } from '../kernel/branch.js';
import { parseScenario, runScenario } from '../scenario/index.js';
import { netbsdCommands } from '../scenario/netbsd-commands.js';
import { BRANCHES, UNREACHABLE } from './branches.js';
import { explainNetbsd } from './explain.js';
import { GATHERED, VALUES } from './explain-values.js';
import { bootNetbsd } from './system.js';

const rows = Object.entries(BRANCHES) as [string, BranchRow][];

const CASES = new URL('../../../../conformance/netbsd/', import.meta.url);

/** What a script prints with explanations. */
function explain(script: string): string[] {
  const parsed = parseScenario(script, 'netbsd');
  if (!parsed.ok) throw new Error(parsed.errors.map(({ message }) => message).join('; '));
  const lines: string[] = [];
  const write = (line: string): number => lines.push(line);
  runScenario(parsed.script, { boot: bootNetbsd, observe: explainNetbsd, extension: netbsdCommands, write });
  return lines;
}

/** The explanation of the last fault. */
function last(script: string): string {
  const lines = explain(script);
  return lines.slice(lines.findLastIndex((line) => line.startsWith('fault'))).join('\n');
}

describe('an explanation', () => {
  it('of a copy after a fork, with neighbours mapped along', () => {
    expect(last('proc A\nA map 0x10000 8 anon private rw-\nA write 0x10000 3\nfork A B\nB write 0x11000')).toBe(
      `
fault B w 0x11000 0 minor
    stages    faultStart, lookup, copyAmap, lookup, layers, gotAnon
    F49       0x11000 lies in 0x10000-0x18000 rw- (to be copied when written); the protection rw- is asked.
    F52       The range is not wired: what has to be copied depends on the access alone.
    F53       The amap is still to be copied, and this fault needs its own: the locks are given up for that.
    F6        0x10000-0x18000 rw- (to be copied when written) gets an amap of its own, at least around 0x11000.
    F8        The amap is there, and the map is unlocked again.
    F49       0x11000 lies in 0x10000-0x18000 rw- (private copy); the protection rw- is asked.
    F52       The range is not wired: what has to be copied depends on the access alone.
    F56       With normal advice, the window is 0x10000-0x16000.
    F58       The amap (1 reference) is locked, and its anons in the window looked up.
    F66       Anons that are in memory, mapped on the occasion: 0x10000, 0x12000.
    F67       Other amaps hold them too, so these may not be written: 0x10000, 0x12000.
    F65       An anon stands in the amap at 0x11000, so case 1.
    F64       No anon, so the lower layer counts: 0x13000-0x16000.
    F79       The lower layer is not asked.
    F11       The anon's page is in memory and not busy.
    F80       The anon (2 references) has its page in memory.
    F90       Case 1B: a store to an anon that 2 amaps hold, so it is copied.
    F34       The new anon is to be a copy of the one that 2 amaps hold.
    F38       The anon is allocated.
    F44       The new anon has its page and stands in the amap at 0x11000.
    F91       The copy is active, and the old anon has one reference less.
    F101      Mapped as rw-; the page is active.
    mappings  0x10000-0x11000 r-- added
              0x11000-0x12000 rw- added
              0x12000-0x13000 r-- added
    counters  faults +1, fltamcopy +1, fltanget +1, fltnamap +2, flt_acow +1
    time      1.26 us
`.trim(),
    );
  });

  it('of a file read in', () => {
    expect(last('file F 30000\nproc A\nA map 0x10000 8 file F 0 shared rw-\nA read 0x11000')).toBe(
      `
fault A r 0x11000 0 major
    stages    faultStart, lookup, layers, lower, stepTask, pageRead
    F49       0x11000 lies in 0x10000-0x18000 rw-; the protection rw- is asked.
    F52       The range is not wired: what has to be copied depends on the access alone.
    F56       With normal advice, the window is 0x10000-0x16000.
    F59       There is no amap.
    F64       No anon, so the lower layer counts: 0x10000-0x16000.
    F73       vnode:F is locked, and asked for what it has at hand.
    F74       Not asked for, or not at hand: 0x10000-0x16000.
    F103      Case 2: no anon at 0x11000, so vnode:F counts.
    F105      The page has to be fetched from vnode:F, with everything unlocked: a major fault.
    F113      Case 2A: page 1 of vnode:F itself is mapped.
    F114      It may not be written: the range is a private copy, or vnode:F wants to hear of the first store.
    F133      Mapped as r--; the page goes to the active queue.
    F134      The page is free for others, and everything is unlocked.
    mappings  0x11000-0x12000 r-- added
    counters  faults +1, fltlget +1, fltget +1, flt_obj +1, vnode_reads +1, vnode_pages_read +4
    time      12.48 ms, of that the disk 12.48 ms (seeks 1, pages read 4)
`.trim(),
    );
  });

  it('of data that is lost', () => {
    const script =
      'swap 50\nproc A\nA map 0x10000 1 anon private rw-\nA write 0x10000\npageout 1\nswaperror 1\nA read 0x10000';
    const said = last(script);
    expect(said).toContain(
      'F19       A frame is taken, everything unlocked, and slot 1 of the swap area read into it.',
    );
    expect(said).toContain('F21       Slot 1 of the swap area could not be read (EIO).');
    expect(said).toContain("F83       The anon's page cannot be had: EIO.");
    expect(last(`${script}\nA read 0x10000`)).toContain('and a slot that is known to be bad read into it.');
  });
});

describe('over the conformance scripts', () => {
  it.each(readdirSync(CASES).filter((file) => file.endsWith('.scn')))('%s', (file) => {
    const lines = explain(readFileSync(new URL(file, CASES), 'utf8'));
    const printed = lines.filter((line) => !line.startsWith('    '));
    expect(printed.join('\n')).toBe(readFileSync(new URL(file.replace(/scn$/, 'out'), CASES), 'utf8').trimEnd());
    // No value is missing, and none is told that only the machine knows.
    for (const line of lines) expect(line).not.toMatch(/[{}]|undefined|NaN|null|\bE\d+\b/);
  });
});

describe('the branch table', () => {
  it('has F1 to F143, in their order', () => {
    expect(rows.map(([id]) => id)).toEqual(Array.from({ length: 143 }, (_, i) => `F${i + 1}`));
  });

  it('says of each when, what, where, and one sentence of its own', () => {
    for (const [id, { when, effect, lines, say }] of rows) {
      expect([id, when.length > 1, effect.length > 0]).toEqual([id, true, true]);
      expect([id, lines]).toEqual([id, expect.stringMatching(/^\d+(-\d+)?$/)]);
      expect([id, say]).toEqual([id, expect.stringMatching(/^[A-Z{].{10,140}\.$/)]);
    }
    expect(new Set(rows.map(([, { say }]) => say)).size).toBe(rows.length);
  });

  it('leaves open only values that the explanation knows', () => {
    const known = new Set([...Object.keys(VALUES), ...Object.keys(GATHERED)]);
    const open = rows.flatMap(([id, { say }]) => [...say.matchAll(/\{([^}]*)\}/g)].map(([, name]) => ({ id, name })));
    expect(open.filter(({ name }) => !known.has(name as string))).toEqual([]);
    const used = new Set(open.map(({ name }) => name));
    expect([...known].filter((name) => !used.has(name))).toEqual([]);
  });

  it('excuses only rows that it has', () => {
    expect(Object.keys(UNREACHABLE).filter((id) => !(id in BRANCHES))).toEqual([]);
  });
});
