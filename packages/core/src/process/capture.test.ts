/**
 * Snapshots on all four systems: what follows a restore is what followed the capture, to the last byte.
 *
 * Equality is asked of the whole state (`digest`), not of what the dumps show: a field forgotten anywhere would show.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { randomScenario } from '../../../../tests/property/scenario-generator.js';
import { digest, Play, scriptOf } from '../../../../tests/snapshot-tools.js';
import { InvariantError } from '../kernel/errors.js';
import type { SystemName, SystemOptions } from '../vm/system.js';
import { SYSTEM_NAMES } from '../vm/system.js';
import { captureState, restoreState } from './capture.js';

const CONFORMANCE = fileURLToPath(new URL('../../../../conformance/', import.meta.url));

/** As seeded, some defects leave translations and wire counts that no look-up would give: the check says so, before and after alike. */
function checked(play: Play): string {
  try {
    play.system.check();
    return 'holds';
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    return error.message;
  }
}

/** Cuts a script, keeps the state there, and runs what follows three times. False when it does not get so far. */
function replays(play: Play, cut: number): boolean {
  const all = play.script.commands.length;
  const { end } = play.part(0, cut);
  // A kernel that hangs before the cut leaves a thread asleep for ever: that is refused, and tested elsewhere.
  if (end === 'hang') return false;
  const roots = [play.system, play.run];
  const state = captureState(roots);
  const here = digest(...roots);
  const verdict = checked(play);
  const first = end === 'end' ? play.part(cut, all) : { lines: [], end };
  const there = digest(...roots);
  for (let again = 0; again < 2; again++) {
    restoreState(state);
    expect(digest(...roots)).toBe(here);
    expect(checked(play)).toBe(verdict);
    if (end === 'end') expect(play.part(cut, all)).toEqual(first);
    expect(digest(...roots)).toBe(there);
  }
  return true;
}

function each(name: SystemName, text: string, cuts: readonly number[], options: SystemOptions = {}): number {
  const script = scriptOf(text, name);
  if (script === null) return 0;
  const ran = cuts.map((cut) => replays(new Play(script, name, options), Math.floor(script.commands.length * cut)));
  return ran.filter(Boolean).length;
}

describe.each(SYSTEM_NAMES)('%s: what follows a snapshot is repeated', (name) => {
  it.each(['mended', 'as-seeded'] as const)('in random scenarios, %s', (defects) => {
    let ran = 0;
    for (let seed = 1; seed <= 12; seed++) {
      ran += each(name, randomScenario(seed, 60).join('\n'), [(seed % 10) / 10, 0.8], { defects });
    }
    expect(ran).toBeGreaterThan(20);
  });

  it('in the conformance cases', () => {
    let ran = 0;
    const folder = existsSync(`${CONFORMANCE}${name}`) ? `${CONFORMANCE}${name}/` : CONFORMANCE;
    for (const file of readdirSync(folder).filter((one) => one.endsWith('.scn'))) {
      const cut = (ran % 9) / 10 + 0.1;
      ran += each(name, readFileSync(folder + file, 'utf8'), [cut], { memoryPages: 600 });
    }
    expect(ran).toBeGreaterThan(10);
  });

  it('with memory short and swap in use', () => {
    const lines = ['memory 200', 'swap 1024', 'file f 200000', 'proc A', 'A map 0x100000 300 anon private rw-'];
    lines.push('A map 0x400000 48 file f 0 shared rw-');
    for (let round = 1; round <= 6; round++) {
      lines.push(`A write 0x100000 300 = 0x${round}`, 'A write 0x400000 48 = 0x9', `A byte 0x10${round}000`);
      if (round === 3) lines.push('fork A B', 'B write 0x110000 20 = 0x77', 'pageout 20');
    }
    lines.push('exit B', 'A read 0x100000 300', 'queues', 'counters');
    const script = scriptOf(lines.join('\n'), name);
    if (script === null) throw new Error('the script cannot be read');
    for (let cut = 7; cut < script.commands.length; cut += 3) expect(replays(new Play(script, name), cut)).toBe(true);
    const play = new Play(script, name);
    play.part(0, script.commands.length);
    expect(play.system.machine.disk.counts.pagesWritten).toBeGreaterThan(100);
  });
});
