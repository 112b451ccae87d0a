/** Zeroing ahead: only free frames, never in the way of what somebody has written, and never a frame that is not zero taken for one. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from './memory.js';
import { PAGE_SIZE } from './units.js';

const FRAMES = 64;
const FREE = 1;
const USED = 2;

/** A memory full of ones, all of it free. */
function start(): { memory: PhysicalMemory; queue: Uint8Array } {
  const memory = new PhysicalMemory(FRAMES, 0, true);
  memory.bytes?.fill(1);
  const queue = new Uint8Array(FRAMES).fill(FREE);
  memory.zeroAheadOf({ queue, first: FREE, end: FREE + 1 });
  return { memory, queue };
}

const byte = (memory: PhysicalMemory, frame: number): number => memory.bytes?.[frame * PAGE_SIZE] as number;

function take(memory: PhysicalMemory, queue: Uint8Array, frame: number): void {
  queue[frame] = USED;
  memory.zeroFrame(frame);
}

describe('zeroing', () => {
  it('takes free neighbours along, more and more while all are wanted', () => {
    const { memory, queue } = start();
    const zero = (): number => Array.from({ length: FRAMES }, (_, i) => byte(memory, i)).filter((b) => b === 0).length;
    take(memory, queue, 0);
    expect(zero()).toBe(2);
    take(memory, queue, 1);
    expect(zero()).toBe(2);
    take(memory, queue, 2);
    expect(zero()).toBe(6);
  });

  it('goes towards smaller numbers where the frames behind are taken', () => {
    const { memory, queue } = start();
    queue.fill(USED, 40);
    take(memory, queue, 39);
    expect(byte(memory, 38)).toBe(0);
    expect(byte(memory, 40)).toBe(1);
  });

  it('zeroes less at a time when that was in vain', () => {
    const { memory, queue } = start();
    for (let frame = 0; frame < 7; frame++) take(memory, queue, frame);
    expect(byte(memory, 13)).toBe(0);
    for (let frame = 7; frame < 14; frame++) memory.copyFrame(63, frame);
    queue.fill(USED, 7, 14);
    take(memory, queue, 14);
    expect(byte(memory, 17)).toBe(0);
    expect(byte(memory, 18)).toBe(1);
  });

  it('is nobody else’s business', () => {
    const { memory, queue } = start();
    queue[1] = USED;
    take(memory, queue, 0);
    expect(byte(memory, 1)).toBe(1);
  });

  it('gives zeros and keeps what was written, whatever the order', () => {
    const frame = fc.nat(FRAMES - 1);
    const step = fc.oneof(
      fc.record({ do: fc.constant('zero' as const), frame }),
      fc.record({ do: fc.constant('write' as const), frame }),
      fc.record({ do: fc.constant('copy' as const), frame, from: frame }),
      fc.record({ do: fc.constant('free' as const), frame }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { memory, queue } = start();
        const held = new Map<number, number>();
        for (const [i, it] of steps.entries()) {
          if (it.do === 'free') {
            queue[it.frame] = FREE;
            held.delete(it.frame);
            continue;
          }
          queue[it.frame] = USED;
          if (it.do === 'zero') memory.zeroFrame(it.frame);
          else if (it.do === 'write') memory.frameBytes(it.frame)?.fill(i % 255);
          else if (queue[it.from] === USED) memory.copyFrame(it.from, it.frame);
          else memory.frameBytes(it.frame)?.fill(7);
          const value = it.do === 'zero' ? 0 : byte(memory, it.frame);
          held.set(it.frame, value);
          for (const [each, wanted] of held) if (byte(memory, each) !== wanted) throw new Error(`frame ${each}`);
        }
      }),
      { numRuns: 300 },
    );
  });
});
