/**
 * From the logs of a running program to one trace: the merge of its processes.
 *
 * The processes of a program run side by side, and their logs carry no common clock. A trace has one order, so one is chosen by rule:
 * a child runs from its fork to its exit, and its parent goes on behind that. The same for its children. So whatever a parent
 * learns from a child (wait, the text at the end of a pipe) it learns after the child has run, and every trace of a
 * program has the same order however the machine scheduled it. What the rule gets wrong: a child that reads what its parent
 * writes after the fork runs before it was written, and both sides of a pipe never live at the same time.
 *
 * Processes are numbered from 1 in the order of their forks.
 */
import { realpathSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { firstFetch, lineText, parseLackey } from './lackey.js';
import { SystemCallReader } from './linux.js';
import { isAlive, type LogDirectory, type LogTail } from './logs.js';
import { LinuxProcess } from './syscalls.js';
import { programImage, type Valgrind } from './valgrind.js';
import type { TraceWriter } from './writer.js';

/** What one step of the conversion came to. */
export type Step = 'progress' | 'waiting' | 'done';

/** A process whose logs are being read. */
interface Stream {
  readonly machineId: number;
  readonly id: number;
  readonly linux: LinuxProcess;
  calls: SystemCallReader;
  log: LogTail | null;
  /** Logs opened so far. */
  images: number;
  /** The program whose exec was printed last. */
  program: string;
  /** True until the first instruction of a new image tells where things lie. */
  layoutMissing: boolean;
  /** The writer is known to have stopped; one more look and the log is finished. */
  closing: boolean;
  exitStatus: number;
}

export class Conversion {
  /** Processes so far. */
  processCount = 0;
  /** The running process last, its ancestors before it. */
  private readonly stack: Stream[] = [];
  private readonly canonical = new Map<string, string>();

  constructor(
    private readonly logs: LogDirectory,
    private readonly writer: TraceWriter,
    private readonly valgrind: Valgrind,
    root: { readonly machineId: number; readonly program: string; readonly directory: string },
  ) {
    const linux = new LinuxProcess(root.directory, (name, length) => writer.file(this.canonicalName(name), length));
    const id = writer.process(basename(root.program), 0);
    this.push(stream(root.machineId, id, linux, root.program, 0));
  }

  /** Converts a slice of what is there. `waiting` means that the program has written nothing new. */
  step(): Step {
    const current = this.stack.at(-1);
    if (current === undefined) return 'done';
    this.logs.scan();
    if (current.log === null && !this.openLog(current)) {
      if (isAlive(current.machineId)) return 'waiting';
      this.logs.scan();
      if (!this.openLog(current)) this.end(current);
      return 'progress';
    }
    const log = current.log as LogTail;
    const read = log.fill();
    this.convert(current, log);
    if (read > 0) return 'progress';
    if (this.stack.at(-1) !== current) return 'progress';
    return this.atEndOfLog(current, log);
  }

  /** Nothing new in the log: is there more to come? */
  private atEndOfLog(current: Stream, log: LogTail): Step {
    if (!current.closing) {
      current.closing = this.logs.has(current.machineId) || !isAlive(current.machineId);
      return current.closing ? 'progress' : 'waiting';
    }
    // An exec that succeeds leaves its line without an end.
    if (log.end > log.start) this.line(current, lineText(log.buffer, log.start, log.end));
    log.close();
    current.log = null;
    current.closing = false;
    return 'progress';
  }

  /** Opens the next log of a process, which is a new image unless it is the first after a fork. */
  private openLog(current: Stream): boolean {
    const log = this.logs.take(current.machineId);
    if (log === null) return false;
    current.log = log;
    current.calls = new SystemCallReader();
    current.layoutMissing = current.images > 0 || this.stack.length === 1;
    current.images++;
    return true;
  }

  private convert(current: Stream, log: LogTail): void {
    if (current.layoutMissing) {
      const fetch = firstFetch(lineText(log.buffer, log.start, log.end));
      if (fetch < 0) return;
      current.layoutMissing = false;
      this.image(current, fetch);
    }
    log.start = parseLackey(log.buffer, log.start, log.end, this.writer, (line) => this.line(current, line));
  }

  /** Handles a line that is no reference; true when another process runs next. */
  private line(current: Stream, line: string): boolean {
    const call = current.calls.read(line);
    if (call === null) return false;
    const outcome = current.linux.call(call);
    switch (outcome.kind) {
      case 'event':
        this.writer.event(outcome.event);
        return false;
      case 'fork':
        this.fork(current, outcome.child, outcome.vfork);
        return true;
      case 'exec':
        current.program = outcome.path;
        return false;
      case 'exit':
        current.exitStatus = outcome.status;
        return false;
      default:
        return false;
    }
  }

  private fork(parent: Stream, machineId: number, vfork: boolean): void {
    const id = this.writer.process(basename(parent.program), parent.id);
    this.writer.event({ type: 'fork', child: id, vfork });
    this.writer.event({ type: 'switch', process: id });
    this.push(stream(machineId, id, parent.linux.fork(), parent.program, 0));
  }

  private push(next: Stream): void {
    this.processCount++;
    this.stack.push(next);
  }

  /** A process is over: its parent goes on. */
  private end(current: Stream): void {
    this.writer.event({ type: 'exit', status: current.exitStatus });
    this.stack.pop();
    const parent = this.stack.at(-1);
    if (parent === undefined) this.writer.exitStatus = current.exitStatus;
    else this.writer.event({ type: 'switch', process: parent.id });
  }

  /** Writes what exec mapped, once the first instruction is known. */
  private image(current: Stream, fetch: number): void {
    const { writer, valgrind } = this;
    current.linux.exec();
    try {
      const { program, mappings } = programImage(current.program, fetch, valgrind);
      writer.renameProcess(current.id, basename(current.program));
      const file = (path: string): number => writer.file(this.canonicalName(path), fileLength(path));
      writer.event({ type: 'exec', file: file(program) });
      const common = { type: 'mmap', sharing: 'private', fixed: true, error: 0 } as const;
      for (const { path, anonymous, address, length, protection, offset } of mappings) {
        const shown = anonymous ? -1 : file(path);
        writer.event({ ...common, origin: 'exec', address, length, protection, file: shown, offset });
      }
      const { stackStart, stackEnd } = valgrind;
      const stack = { address: stackStart, length: stackEnd - stackStart, protection: 3, file: -1, offset: 0 };
      writer.event({ ...common, origin: 'stack', ...stack });
    } catch (error) {
      writer.notes.push(`process ${current.id}: layout of ${current.program} unknown (${(error as Error).message})`);
      writer.event({ type: 'exec', file: -1 });
    }
  }

  /** One name for a file that is reached by several, through symbolic links. */
  private canonicalName(name: string): string {
    let known = this.canonical.get(name);
    if (known === undefined) {
      try {
        known = realpathSync(name);
      } catch {
        known = name;
      }
      this.canonical.set(name, known);
    }
    return known;
  }
}

function stream(machineId: number, id: number, linux: LinuxProcess, program: string, images: number): Stream {
  return {
    machineId,
    id,
    linux,
    calls: new SystemCallReader(),
    log: null,
    images,
    program,
    layoutMissing: false,
    closing: false,
    exitStatus: -1,
  };
}

function fileLength(path: string): number {
  return statSync(path).size;
}
