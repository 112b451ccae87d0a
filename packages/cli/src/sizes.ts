/**
 * Sizes as people write them: `65536`, `64K`, `64M`, `1.5G`, or `200p` for pages of 4096 bytes.
 *
 * A suffix counts in powers of 1024. A size of memory must come to whole pages; what is impossible says why.
 */
import { PAGE_SIZE } from '@faultline/core';
import { UsageError } from './failure.js';

const PATTERN = /^(\d+(?:\.\d+)?)([kmgKMG])?(?:i?[bB])?$/;
const PAGES_PATTERN = /^(\d+)p$/;
const FACTORS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** The largest machine that is meant to work: 16 GiB. */
export const MEMORY_PAGES_MAX = 2 ** 22;

/** The least memory with which a kernel can run a program at all: its reserves take most of it. */
const MEMORY_PAGES_MIN = 64;

/** Bytes as a person reads them: `64M`, `1.5G`, `100K`. */
export function sizeName(bytes: number): string {
  for (const suffix of ['G', 'M', 'K']) {
    const factor = FACTORS[suffix] as number;
    if (bytes >= factor) return `${+(bytes / factor).toFixed(1)}${suffix}`;
  }
  return `${bytes}`;
}

function bytesOf(text: string): number | null {
  const pages = PAGES_PATTERN.exec(text);
  if (pages !== null) return Number(pages[1]) * PAGE_SIZE;
  const match = PATTERN.exec(text);
  if (match === null) return null;
  return Number(match[1]) * (FACTORS[(match[2] ?? '').toUpperCase()] as number);
}

/** Reads a size of memory; answers with pages. `option` is what the message calls it. */
export function parseMemory(option: string, text: string): number {
  const bytes = bytesOf(text.trim());
  if (bytes === null) {
    throw new UsageError(`${option}: ${text} is not a size; write bytes (67108864), 64K, 64M, 1G, or pages (200p)`);
  }
  if (bytes < PAGE_SIZE) throw new UsageError(`${option}: ${text} is less than one page of ${PAGE_SIZE} bytes`);
  if (bytes > MEMORY_PAGES_MAX * PAGE_SIZE) {
    throw new UsageError(
      `${option}: ${text} is more than ${sizeName(MEMORY_PAGES_MAX * PAGE_SIZE)}, the most there can be`,
    );
  }
  if (bytes % PAGE_SIZE !== 0) {
    throw new UsageError(`${option}: ${text} is not a whole number of pages of ${PAGE_SIZE} bytes`);
  }
  if (option === '--memory' && bytes < MEMORY_PAGES_MIN * PAGE_SIZE) {
    throw new UsageError(
      `${option}: ${text} is less than ${sizeName(MEMORY_PAGES_MIN * PAGE_SIZE)}; a kernel keeps more than that for itself`,
    );
  }
  return bytes / PAGE_SIZE;
}
