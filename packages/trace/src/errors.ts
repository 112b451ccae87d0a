/**
 * What can be wrong with a trace, a text to import, or a recording, as three errors that say so.
 *
 * A damaged trace is common enough (an interrupted download, a full disk) that its error carries more than a sentence: the byte
 * where the damage was noticed and how much before it is whole, so that a caller can go on with the readable part.
 */

/** How much of a trace can be read in spite of damage behind it. */
export interface Readable {
  /** Whole chunks. */
  readonly chunks: number;
  /** Page-run records in them. */
  readonly records: number;
  /** Memory references in them. */
  readonly references: number;
}

const NOTHING: Readable = { chunks: 0, records: 0, references: 0 };

/** A trace file is truncated, corrupt, or no trace at all. */
export class TraceFormatError extends Error {
  override readonly name = 'TraceFormatError';
  constructor(
    /** What is wrong, without the offset. */
    readonly problem: string,
    /** Byte of the file at which it was noticed. */
    readonly offset: number,
    /** What was whole before it. */
    readonly readable: Readable = NOTHING,
    /** Name of the file, for the message. */
    readonly source = 'trace',
  ) {
    super(
      `${source}: ${problem} at byte ${offset}; readable before it: ` +
        `${readable.chunks} chunks, ${readable.references} references`,
    );
  }
}

/** A line of a text that is imported cannot be understood. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
}

/** A program cannot be recorded; the message says what to do about it. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}
