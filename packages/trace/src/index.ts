/**
 * @faultline/trace: recorded programs. Record one (`record`) or import a text (`importTrace`), read it (`TraceReader`), write one of
 * your own (`TraceWriter`), and run it through a system (`replay`).
 *
 * Addresses and lengths are bytes; where the word page is said, a page of 4096 bytes is meant. Page numbers are
 * doubles below 2^35.
 */
export { TraceChunk } from './chunk.js';
export { ImportError, type Readable, RecordError, TraceFormatError } from './errors.js';
export type {
  AdviseEvent,
  BreakEvent,
  CopyEvent,
  ExecEvent,
  ExitEvent,
  ForkEvent,
  InheritEvent,
  MapEvent,
  MapOrigin,
  ProtectEvent,
  RangeEvent,
  RemapEvent,
  SwitchEvent,
  TraceAdvice,
  TraceEvent,
  TraceEventType,
  TraceInheritance,
} from './events.js';
export { type Codec, KIND_EXECUTE, KIND_LOAD, KIND_STORE, type ReferenceKind, VERSION } from './format.js';
export {
  type ReferenceCounts,
  type TraceFile,
  type TraceHeader,
  type TraceProcess,
  totalReferences,
} from './header.js';
export { type ImportFormat, type ImportOptions, importTrace } from './import.js';
export { TraceReader, type Verification } from './reader.js';
export { type RecordOptions, type RecordProgress, type RecordResult, record } from './record.js';
export { type ReplayOptions, type ReplayProgress, replay } from './replay.js';
export type { SimulatedTime } from './replay-machine.js';
export type { FailedAccess, FaultKinds, ProcessAccount, ReplayResult, SpaceShape } from './replay-result.js';
export { type ReplaySeries, SERIES_SAMPLES } from './replay-series.js';
export { FileSpool, MemorySpool, type Spool } from './spool.js';
export { type TraceDescription, TraceWriter, type WriterOptions } from './writer.js';
