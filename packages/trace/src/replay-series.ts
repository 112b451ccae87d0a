/**
 * How a replay went over time: a compact series of samples, for plots and for programs.
 *
 * Samples stand at even distances in records (page runs), because records are what the replay loop counts anyway; each sample says
 * how many references had been made by then. A long trace has 200 of them, a short one as many as it has records, and both
 * have one more for the state before the first reference and one for the end.
 *
 * Columns and not rows: one array a quantity, which is what plots and Parquet want.
 */
import type { VmSystem } from '@faultline/core';

/** Samples between the first and the last. */
export const SERIES_SAMPLES = 200;

/** One entry a sample in every list. Everything is counted from the start of the replay. */
export interface ReplaySeries {
  readonly references: readonly number[];
  readonly faults: readonly number[];
  /** Of the faults, those that waited for a pager. */
  readonly major: readonly number[];
  /** Processes alive. */
  readonly processes: readonly number[];
  /** Id of the process that ran just before the sample. */
  readonly running: readonly number[];
  /** Simulated nanoseconds. */
  readonly simulatedNs: readonly number[];
  /** Pages in each of the system's queues, by the queue's name. */
  readonly queues: Readonly<Record<string, readonly number[]>>;
}

export class SeriesRecorder {
  private readonly columns = {
    references: [] as number[],
    faults: [] as number[],
    major: [] as number[],
    processes: [] as number[],
    running: [] as number[],
    simulatedNs: [] as number[],
    queues: {} as Record<string, number[]>,
  };
  private readonly step: number;
  private readonly clock: { readonly ns: number };
  /** Records until the next sample; at least 1. */
  room: number;

  /** `records` in the whole trace. */
  constructor(
    private readonly system: VmSystem,
    records: number,
  ) {
    this.step = Math.max(1, Math.ceil(records / SERIES_SAMPLES));
    this.room = this.step;
    this.clock = system.machine.clock;
  }

  /** Takes note of `records` replayed, at most `room`; answers whether a sample is due. */
  passed(records: number): boolean {
    this.room -= records;
    if (this.room > 0) return false;
    this.room = this.step;
    return true;
  }

  /** Adds a sample, unless nothing has happened since the last one. */
  sample(references: number, faults: number, major: number, processes: number, running: number): void {
    const { columns, clock } = this;
    if (columns.references.at(-1) === references && columns.processes.at(-1) === processes) return;
    columns.references.push(references);
    columns.faults.push(faults);
    columns.major.push(major);
    columns.processes.push(processes);
    columns.running.push(running);
    columns.simulatedNs.push(Math.round(clock.ns));
    for (const { name, pages } of this.system.queues()) {
      const column = columns.queues[name];
      if (column === undefined) columns.queues[name] = [pages];
      else column.push(pages);
    }
  }

  get series(): ReplaySeries {
    return this.columns;
  }
}
