/** Files that the commands read and write, with errors in words. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { fileError, UsageError } from './failure.js';

const GZIP_MAGIC = [0x1f, 0x8b];

/** The bytes of a file, unpacked when they are gzipped. */
export function readBytes(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileError('read', path, error);
  }
  if (!GZIP_MAGIC.every((byte, i) => bytes[i] === byte)) return bytes;
  try {
    return gunzipSync(bytes);
  } catch {
    throw new UsageError(`cannot read ${path}: it is gzipped, but damaged`);
  }
}

/** A text file, gzipped or not. */
export function readText(path: string): string {
  const bytes = readBytes(path);
  if (bytes.includes(0)) throw new UsageError(`cannot read ${path}: it is not a text file`);
  return new TextDecoder().decode(bytes);
}
