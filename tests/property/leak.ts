/**
 * What may be left behind when every process has exited, on the two systems with shadow chains and a blist of swap (freebsd, dragonfly).
 */
import type { DragonflySystem, FreebsdSystem } from '@faultline/core';

/**
 * What was not given back, or null: frames must be free, cached, or a file's; swap must be free. As seeded, wired pages and frames on no
 * queue are among the systems' known defects: their rows say which.
 */
export function leakOf(system: FreebsdSystem | DragonflySystem, asSeeded: boolean): string | null {
  const { swapArea, wiredPages, machine } = system.vm;
  if (swapArea.freeBlocks !== swapArea.blocks) return `${swapArea.blocks - swapArea.freeBlocks} swap blocks`;
  if (wiredPages !== 0 && !asSeeded) return `${wiredPages} wired pages`;
  const anonymous = system.vm.objects.filter((object) => object?.anonymous === true);
  if (anonymous.length > 0) return `${anonymous.length} anonymous objects`;
  const counted = system.queues().reduce((sum, { pages }) => sum + pages, 0);
  const { poolFrames } = machine.memory;
  return counted === poolFrames || asSeeded ? null : `${poolFrames - counted} frames that are on no queue`;
}
