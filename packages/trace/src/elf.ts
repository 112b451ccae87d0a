/**
 * What exec maps from a program file: the loadable segments of an ELF file, as the kernel places them.
 *
 * Each segment becomes a private file mapping of whole pages, and where it is longer in memory than in the file, anonymous
 * memory behind it. (Natively the kernel also zeroes the rest of the last file page; that store is not in a trace.)
 */
import { closeSync, openSync, readSync } from 'node:fs';

const PAGE = 4096;
const PT_LOAD = 1;
const PT_INTERP = 3;
const ET_DYN = 3;

/** A loadable segment; addresses and lengths in bytes. */
export interface ElfSegment {
  readonly address: number;
  readonly fileLength: number;
  readonly memoryLength: number;
  readonly offset: number;
  /** Bits: 1 read, 2 write, 4 execute. */
  readonly protection: number;
}

export interface ElfFile {
  /** True when it can be placed anywhere. */
  readonly relocatable: boolean;
  /** Address of the first instruction, before placement. */
  readonly entry: number;
  /** Path of the dynamic linker, or null. */
  readonly interpreter: string | null;
  readonly segments: readonly ElfSegment[];
}

/** One mapping that exec makes. */
export interface ImageMapping {
  readonly address: number;
  readonly length: number;
  readonly protection: number;
  /** True for anonymous memory. */
  readonly anonymous: boolean;
  readonly offset: number;
}

/** What stands behind a path that is executed: an ELF file, or a script and the program in its first line. */
export type Executable = { readonly elf: ElfFile } | { readonly script: string };

/** Reads the head of an executable. Throws the file system's error, or `TypeError` for what is neither ELF nor script. */
export function readExecutable(path: string): Executable {
  const fd = openSync(path, 'r');
  try {
    const head = readAt(fd, 0, PAGE);
    if (head.length >= 64 && head.readUInt32BE(0) === 0x7f454c46) return { elf: parseElf(fd, head, path) };
    if (head.length >= 2 && head.toString('latin1', 0, 2) === '#!') {
      const line = head.toString('utf8', 2).split('\n', 1)[0].trim();
      return { script: line.split(/\s+/, 1)[0] };
    }
    throw new TypeError(`${path} is neither an ELF file nor a script`);
  } finally {
    closeSync(fd);
  }
}

function parseElf(fd: number, head: Buffer, path: string): ElfFile {
  if (head[4] !== 2 || head[5] !== 1) throw new TypeError(`${path} is not a 64-bit little-endian ELF file`);
  const number = (table: Buffer, at: number): number => Number(table.readBigUInt64LE(at));
  const size = head.readUInt16LE(54);
  const count = head.readUInt16LE(56);
  const table = readAt(fd, number(head, 32), size * count);
  const segments: ElfSegment[] = [];
  let interpreter: string | null = null;
  for (let i = 0; i < count; i++) {
    const entry = table.subarray(i * size, (i + 1) * size);
    const type = entry.readUInt32LE(0);
    const flags = entry.readUInt32LE(4);
    const offset = number(entry, 8);
    const fileLength = number(entry, 32);
    if (type === PT_INTERP) interpreter = readAt(fd, offset, fileLength).toString('utf8').replace(/\0.*$/, '');
    if (type !== PT_LOAD) continue;
    segments.push({
      address: number(entry, 16),
      fileLength,
      memoryLength: number(entry, 40),
      offset,
      protection: (flags & 4 ? 1 : 0) | (flags & 2 ? 2 : 0) | (flags & 1 ? 4 : 0),
    });
  }
  return { relocatable: head.readUInt16LE(16) === ET_DYN, entry: number(head, 24), interpreter, segments };
}

/** The mappings of a file whose addresses are all moved by `shift` bytes. */
export function imageMappings(elf: ElfFile, shift: number): ImageMapping[] {
  const mappings: ImageMapping[] = [];
  for (const segment of elf.segments) {
    const start = Math.floor(segment.address / PAGE) * PAGE;
    const fileEnd = Math.ceil((segment.address + segment.fileLength) / PAGE) * PAGE;
    const end = Math.ceil((segment.address + segment.memoryLength) / PAGE) * PAGE;
    const { protection } = segment;
    const offset = Math.floor(segment.offset / PAGE) * PAGE;
    const bssStart = segment.fileLength > 0 ? fileEnd : start;
    if (segment.fileLength > 0) {
      mappings.push({ address: start + shift, length: fileEnd - start, protection, anonymous: false, offset });
    }
    if (end > bssStart) {
      mappings.push({ address: bssStart + shift, length: end - bssStart, protection, anonymous: true, offset: 0 });
    }
  }
  return mappings;
}

/** Page address of the first segment, before placement. */
export function firstPage(elf: ElfFile): number {
  return Math.floor((elf.segments[0]?.address ?? 0) / PAGE) * PAGE;
}

function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  const n = readSync(fd, buffer, 0, length, offset);
  return buffer.subarray(0, n);
}
