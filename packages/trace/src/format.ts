/**
 * The trace format in numbers: what stands where in a `.vmt` file. docs/trace-format.md tells it to people.
 *
 *     preamble   magic, version, header length, checksum
 *     header     JSON
 *     chunk      fixed fields, checksum, compressed payload
 *     chunk ...
 *
 * Every byte of the file is under some checksum, and the header says how many chunks there are, so neither a flipped bit nor
 * a missing end goes unnoticed. A chunk depends on no other chunk.
 *
 * Memory references are kept as page runs: a record is (page, kind, count). Within a chunk each distinct (page, kind) gets a
 * small number, and a record is that number in two bytes and the count in one. The three bytes stand together: programs repeat
 * themselves, and a general compressor finds "the same six records again" best in whole records (columns cost 15 % more in trials,
 * move-to-front numbers 70 %). It also makes replay quick: what the replay loop needs of a page is computed once a chunk.
 *
 * Compression is brotli, quality 9. In a trial on a compiler run (108 million references, chunks of 65536 records) it took 18 bytes for
 * 1000 references where deflate took 25, and both decompress at more than a thousand million references a second, so speed
 * does not decide. Chunks of 131072 records took 15, of 262144 records 13.
 */
import { brotliCompressSync, brotliDecompressSync, constants, deflateRawSync, inflateRawSync } from 'node:zlib';

/** As PNG's: a byte that is not text, a name, and line ends that a careless transfer would change. */
export const MAGIC = Uint8Array.of(0x89, 0x56, 0x4d, 0x54, 0x0d, 0x0a, 0x1a, 0x0a);
export const VERSION = 1;

/** Bytes before the header: magic 8, version 4, header length 4, crc32 of those and the header 4. */
export const PREAMBLE_BYTES = 20;
/** A longer header is taken for damage. */
export const HEADER_BYTES_MAX = 1 << 26;

/** 'CHNK', read as a little-endian number. */
export const CHUNK_MAGIC = 0x4b4e4843;
/** magic, codec, stored bytes, raw bytes, records, events, references (low, high), crc32: nine 32-bit numbers. */
export const CHUNK_HEAD_BYTES = 36;
/** Bytes of the chunk head that its checksum covers, before the payload. */
export const CHUNK_HEAD_CHECKED = 32;
/** Most records of a chunk. */
export const CHUNK_RECORDS_MAX = 1 << 18;
/** Records of a chunk unless told otherwise: about a million references, a megabyte of reader memory. */
export const CHUNK_RECORDS_DEFAULT = 1 << 17;
/** Most distinct (page, kind) pairs of a chunk: a record's number has 16 bits. */
export const TABLE_MAX = 1 << 16;
/** A bigger payload is taken for damage: 2^18 records, each with its own table entry and count, stay far below. */
export const PAYLOAD_BYTES_MAX = 1 << 26;
/** Bytes of a record in the payload: number 2, count 1. */
export const RECORD_BYTES = 3;
/** A count byte of this value means: see the overflow section. */
export const COUNT_ESCAPE = 255;

/** A run ends after this many records of other runs, so that a page in constant use keeps being seen in use. */
export const RUN_SPAN = 1024;
/** A run ends at this count. */
export const RUN_COUNT_MAX = 0x3fffffff;

/** Kinds of reference; the same numbers as core's `Access`. */
export const KIND_LOAD = 0;
export const KIND_STORE = 1;
export const KIND_EXECUTE = 2;
export type ReferenceKind = typeof KIND_LOAD | typeof KIND_STORE | typeof KIND_EXECUTE;

/** Page numbers are below this. */
export const PAGE_LIMIT = 2 ** 35;

export type Codec = 'stored' | 'deflate' | 'brotli';
/** The codec field of a chunk is the index here. */
export const CODECS: readonly Codec[] = ['stored', 'deflate', 'brotli'];

export function compress(codec: Codec, raw: Uint8Array): Uint8Array {
  if (codec === 'stored') return raw.slice();
  if (codec === 'deflate') return deflateRawSync(raw, { level: 9 });
  return brotliCompressSync(raw, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 9,
      [constants.BROTLI_PARAM_LGWIN]: 20,
      [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
    },
  });
}

/** Throws when the stored bytes are not what the codec makes, or give more than `rawBytes`. */
export function decompress(codec: Codec, stored: Uint8Array, rawBytes: number): Uint8Array {
  if (codec === 'stored') return stored;
  const options = { maxOutputLength: Math.max(1, rawBytes) };
  return codec === 'deflate' ? inflateRawSync(stored, options) : brotliDecompressSync(stored, options);
}
