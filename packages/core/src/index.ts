/**
 * The machine, the kernels, and the language to drive them.
 *
 * @module @faultline/core
 * @packageDocumentation
 */

export { explainCsrg } from './csrg/explain.js';
export * from './csrg/system.js';
export { BRANCHES as DRAGONFLY_BRANCHES } from './dragonfly/branches.js';
export * as dragonfly from './dragonfly/commands.js';
export { explainDragonfly } from './dragonfly/explain.js';
export * from './dragonfly/system.js';
export * from './freebsd/explain.js';
export * from './freebsd/system.js';
export * from './kernel/branch.js';
export * from './kernel/errors.js';
export * from './kernel/kernel.js';
export * from './kernel/locks.js';
export * from './kernel/stages.js';
export * from './kernel/thread.js';
export * from './kernel/token.js';
export * from './machine/clock.js';
export * from './machine/costs.js';
export * from './machine/cpu.js';
export * from './machine/disk.js';
export * from './machine/fault-store.js';
export { Machine as Hardware, type MachineOptions as HardwareOptions } from './machine/machine.js';
export * from './machine/memory.js';
export * from './machine/memory-store.js';
export * from './machine/pagetable.js';
export * from './machine/store.js';
export * from './machine/tlb.js';
export * from './machine/units.js';
export { explainNetbsd } from './netbsd/explain.js';
export * from './netbsd/system.js';
export * from './process/capture.js';
export * from './process/index.js';
export * from './scenario/index.js';
export * from './systems.js';
export * from './vm/errno.js';
export type { FaultExplainer } from './vm/explain.js';
export * from './vm/kernel-system.js';
export * from './vm/port.js';
export * from './vm/prot.js';
export * from './vm/routines.js';
export * from './vm/system.js';
