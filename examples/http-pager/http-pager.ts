/**
 * A large file mapped over HTTP: pages are fetched by ranges when they are touched, and only then.
 *
 * The server is any that understands `Range`. The kernel decides what is read ahead and what is thrown away again: the pager below only answers.
 */
import type { UserPager } from '@faultline/core';

const PAGE_SIZE = 4096;

export interface HttpPager extends UserPager {
  /** Requests made so far, and bytes that they brought. */
  readonly traffic: { requests: number; bytes: number };
}

/**
 * A pager for the file at `url`.
 * @throws Error when the server does not tell the length, or cannot serve ranges
 */
export async function httpPager(url: string): Promise<HttpPager> {
  const head = await fetch(url, { method: 'HEAD' });
  const length = Number(head.headers.get('content-length') ?? Number.NaN);
  if (!head.ok || !Number.isFinite(length)) throw new Error(`${url}: the server does not tell its length`);
  if (head.headers.get('accept-ranges') !== 'bytes') throw new Error(`${url}: the server does not serve ranges`);
  const traffic = { requests: 0, bytes: 0 };
  return {
    size: Math.ceil(length / PAGE_SIZE) * PAGE_SIZE,
    traffic,
    async getPages(offset, buffers) {
      const last = Math.min(offset + buffers.length * PAGE_SIZE, length) - 1;
      const answer = await fetch(url, { headers: { range: `bytes=${offset}-${last}` } });
      if (answer.status !== 206) throw new Error(`${url}: ${answer.status} instead of a range`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      traffic.requests++;
      traffic.bytes += bytes.length;
      spread(bytes, buffers);
    },
  };
}

/** Deals the bytes of a range out to pages; what is missing of the last one is zero. */
function spread(bytes: Uint8Array, buffers: readonly Uint8Array[]): void {
  for (const [i, buffer] of buffers.entries()) {
    const part = bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
    buffer.set(part);
    buffer.fill(0, part.length);
  }
}
