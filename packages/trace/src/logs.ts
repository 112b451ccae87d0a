/**
 * Lackey's log files while they grow.
 *
 * Each program image of each process writes a file of its own, `t.PID.N.log`. A file is renamed as soon as it is seen: a process that
 * executes twice would otherwise open the same name again and truncate what was not yet read (valgrind counts N anew in
 * every image). Renaming does not disturb the writer, who holds the file open.
 *
 * Files are polled, not piped: through a FIFO lackey ran at half its speed (it writes in pieces of about a kilobyte), and a process
 * must be able to run ahead while another one's text is converted. What has been read is given back to the file system by
 * punching holes, so that the space in use stays small however long the run.
 */
import { execFile } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes read before they are given back. */
const PUNCH_BYTES = 1 << 26;
/** Text taken in one go: some ten milliseconds of parsing. */
const SLICE_BYTES = 1 << 22;

const LOG_NAME = /^t\.(\d+)\.(\d+)\.log$/;

/** The directory of logs; hands out each process's files in the order in which its images ran. */
export class LogDirectory {
  private readonly waiting = new Map<number, string[]>();
  private seen = 0;
  /** Every process that ever wrote here. */
  readonly processes = new Set<number>();

  constructor(readonly path: string) {}

  /** Pattern for valgrind's --log-file. */
  get pattern(): string {
    return `${this.path.replaceAll('%', '%%')}/t.%p.%n.log`;
  }

  /** Looks for new files. Call it often. */
  scan(): void {
    const found = readdirSync(this.path)
      .map((name) => LOG_NAME.exec(name))
      .filter((match) => match !== null)
      .map(([name, process, image]) => ({ name, process: Number(process), image: Number(image) }))
      // After a fork the child's first file has a number above 1, and what it executes begins again with 1.
      .sort((a, b) => b.image - a.image);
    for (const { name, process } of found) {
      const path = join(this.path, `seen.${this.seen++}`);
      renameSync(join(this.path, name), path);
      this.processes.add(process);
      const queue = this.waiting.get(process);
      if (queue === undefined) this.waiting.set(process, [path]);
      else queue.push(path);
    }
  }

  /** Whether a file of this process waits to be read. */
  has(process: number): boolean {
    return (this.waiting.get(process)?.length ?? 0) > 0;
  }

  /** The next file of this process, or null. */
  take(process: number): LogTail | null {
    const path = this.waiting.get(process)?.shift();
    return path === undefined ? null : new LogTail(path);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** One log file, read as it grows. Text not yet consumed stands in `buffer` from `start` to `end`. */
export class LogTail {
  buffer = new Uint8Array(SLICE_BYTES * 2);
  start = 0;
  end = 0;
  private readonly fd: number;
  private position = 0;
  private punched = 0;

  constructor(private readonly path: string) {
    this.fd = openSync(path, 'r');
  }

  /**
   * Reads what has been written since, up to a slice. Answers the bytes read, or those that wait still: a process that forks
   * at every turn leaves most of a slice unread each time.
   */
  fill(): number {
    if (this.start > 0 && this.end - this.start >= SLICE_BYTES) return this.end - this.start;
    this.buffer.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    if (this.buffer.length - this.end < SLICE_BYTES) {
      const grown = new Uint8Array(this.buffer.length * 2);
      grown.set(this.buffer.subarray(0, this.end));
      this.buffer = grown;
    }
    const n = readSync(this.fd, this.buffer, this.end, SLICE_BYTES, this.position);
    this.position += n;
    this.end += n;
    if (this.position - this.punched >= PUNCH_BYTES) this.punch();
    return n;
  }

  /** Deletes the file. */
  close(): void {
    closeSync(this.fd);
    rmSync(this.path, { force: true });
  }

  /** Gives the read part back. Without the fallocate command the file keeps its size until it is closed. */
  private punch(): void {
    this.punched = this.position;
    const length = String(this.position);
    execFile('fallocate', ['--punch-hole', '--offset', '0', '--length', length, this.path], () => {});
  }
}

/** False when a process is gone or only waits for its parent to ask for its exit status. */
export function isAlive(process: number): boolean {
  try {
    const stat = readFileSync(`/proc/${process}/stat`, 'latin1');
    const state = stat[stat.lastIndexOf(')') + 2];
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}
