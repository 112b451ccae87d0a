/** The API to embed a kernel's memory: machines, processes, flags. */
export * from './api.js';
export { createAsyncMachine } from './async-machine.js';
export * from './flags.js';
export { createMachine } from './machine.js';
export { MemorySignal } from './signals.js';
