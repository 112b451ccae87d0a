/**
 * Where a trace is put while it is being written.
 *
 * The header stands first in the file and holds the counts, which are known last. So chunks go to a spool as they are
 * made, and when all is known the header is written and the chunks are copied behind it. The copy is small beside
 * the recording, and a reader of a truncated file has the header with all names in hand.
 */
import { closeSync, copyFileSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';

export interface Spool {
  /** Appends bytes; the caller may reuse the buffer afterwards. */
  append(bytes: Uint8Array): void;
  /** Puts `head` before what was appended and ends the spool. */
  finish(head: Uint8Array): void;
  /** Throws everything away. */
  abort(): void;
}

/** Keeps the trace in memory: for tests and small imports. */
export class MemorySpool implements Spool {
  private parts: Uint8Array[] = [];

  append(bytes: Uint8Array): void {
    this.parts.push(bytes.slice());
  }

  finish(head: Uint8Array): void {
    this.parts.unshift(head.slice());
  }

  abort(): void {
    this.parts = [];
  }

  /** The whole trace, after `finish`. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

/** Keeps chunks in `PATH.chunks` and makes `PATH` by way of `PATH.part`, so `PATH` is whole or not there. */
export class FileSpool implements Spool {
  private readonly chunksPath: string;
  private readonly partPath: string;
  private fd: number;

  /** Throws the file system's error when the place cannot be written. */
  constructor(readonly path: string) {
    this.chunksPath = `${path}.chunks`;
    this.partPath = `${path}.part`;
    this.fd = openSync(this.chunksPath, 'w+');
  }

  append(bytes: Uint8Array): void {
    writeAll(this.fd, bytes);
  }

  finish(head: Uint8Array): void {
    const out = openSync(this.partPath, 'w');
    try {
      writeAll(out, head);
      const buffer = new Uint8Array(1 << 20);
      for (let at = 0; ; ) {
        const n = readSync(this.fd, buffer, 0, buffer.length, at);
        if (n === 0) break;
        writeAll(out, buffer.subarray(0, n));
        at += n;
      }
    } finally {
      closeSync(out);
    }
    this.close();
    moveOver(this.partPath, this.path);
  }

  abort(): void {
    this.close();
    rmSync(this.partPath, { force: true });
  }

  private close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
    rmSync(this.chunksPath, { force: true });
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
}

/** Renames, or copies where the target is not a plain place to rename to (a device such as /dev/null). */
function moveOver(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    copyFileSync(from, to);
    rmSync(from);
  }
}
