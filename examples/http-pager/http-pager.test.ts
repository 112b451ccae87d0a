/** A file over HTTP on all four systems: fetched where it is touched, larger than memory, and failing. */
import {
  type AsyncProcess,
  createAsyncMachine,
  MAP_PRIVATE,
  MAP_SHARED,
  MemorySignal,
  O_RDONLY,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
  SYSTEM_NAMES,
  type SystemName,
} from '@faultline/core';
import { afterEach, describe, expect, it } from 'vitest';
import { type HttpPager, httpPager } from './http-pager.js';
import { type RangeServer, serveRanges } from './range-server.js';

const PAGE_SIZE = 4096;
const PAGES = 8000;

/** Every page begins with its own number; the file ends in the middle of the last. */
const file = new Uint8Array(PAGES * PAGE_SIZE - 1000);
for (let page = 0; page < PAGES; page++) new DataView(file.buffer).setUint32(page * PAGE_SIZE, page, true);

let server: RangeServer;
afterEach(() => server.close());

async function start(system: SystemName): Promise<{ pager: HttpPager; p: AsyncProcess; check(): void }> {
  server = await serveRanges(file);
  const pager = await httpPager(server.url);
  const machine = createAsyncMachine({ system, memory: 128 * PAGE_SIZE, swap: 128 * PAGE_SIZE });
  machine.createPager('/remote', pager);
  return { pager, p: machine.spawn('reader'), check: () => machine.check() };
}

describe.each(SYSTEM_NAMES)('a file over HTTP on %s', (system) => {
  it('is fetched where it is touched', async () => {
    const { pager, p, check } = await start(system);
    const fd = (await p.open('/remote', O_RDONLY)) as number;
    const at = (await p.mmap(0, file.length, PROT_READ, MAP_SHARED, fd)) as number;
    expect(pager.traffic.requests).toBe(0);
    for (const page of [1234, 17, 7999, 1234]) expect(await p.load32(at + page * PAGE_SIZE)).toBe(page);
    expect(await p.load8(at + file.length)).toBe(0);
    expect(pager.traffic.requests).toBeGreaterThanOrEqual(3);
    expect(pager.traffic.bytes).toBeLessThan(file.length / 2);
    expect(p.tryLoad32(at + 1234 * PAGE_SIZE)).toBe(1234);
    check();
  });

  it('may be larger than memory, and is private where it is written', async () => {
    const { p, check } = await start(system);
    const fd = (await p.open('/remote', O_RDONLY)) as number;
    const at = (await p.mmap(0, file.length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd)) as number;
    for (let page = 0; page < 300; page += 7) await p.store32(at + page * PAGE_SIZE + 4, page);
    for (let page = 0; page < 300; page += 7) {
      expect(await p.load32(at + page * PAGE_SIZE)).toBe(page);
      expect(await p.load32(at + page * PAGE_SIZE + 4)).toBe(page);
    }
    check();
  });

  it('is an I/O error where the server fails, and read-only', async () => {
    const { p, check } = await start(system);
    expect(await p.open('/remote', O_RDWR)).toBe('EACCES');
    const fd = (await p.open('/remote', O_RDONLY)) as number;
    expect(await p.mmap(0, file.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd)).toBe('EACCES');
    const at = (await p.mmap(0, file.length, PROT_READ, MAP_SHARED, fd)) as number;
    server.break();
    await expect(p.load8(at)).rejects.toThrow(MemorySignal);
    check();
  });
});
