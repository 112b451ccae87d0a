/** npm run example -- http-pager [SYSTEM]: a file of 64 MiB mapped from a local server, and what was fetched of it. */
import { createAsyncMachine, MAP_SHARED, O_RDONLY, PROT_READ, SYSTEM_NAMES, type SystemName } from '@faultline/core';
import { httpPager } from './http-pager.js';
import { serveRanges } from './range-server.js';

const SIZE = 64 * 2 ** 20;
const system = (process.argv[2] ?? 'freebsd') as SystemName;
if (!SYSTEM_NAMES.includes(system)) {
  process.stderr.write(`there is no system '${system}'; there are: ${SYSTEM_NAMES.join(', ')}\n`);
  process.exit(2);
}

const file = new Uint8Array(SIZE);
for (let at = 0; at < SIZE; at += 4096) new DataView(file.buffer).setUint32(at, at / 4096, true);
const server = await serveRanges(file);
const pager = await httpPager(server.url);
const machine = createAsyncMachine({ system, memory: 4 * 2 ** 20 });
machine.createPager('/remote', pager);
const reader = machine.spawn('reader');
const fd = (await reader.open('/remote', O_RDONLY)) as number;
const at = (await reader.mmap(0, SIZE, PROT_READ, MAP_SHARED, fd)) as number;
for (const page of [0, 8000, 16383, 42, 43, 44]) {
  process.stdout.write(`page ${String(page).padStart(5)} holds ${await reader.load32(at + page * 4096)}\n`);
}
const { requests, bytes } = pager.traffic;
process.stdout.write(`${system}: ${requests} requests, ${bytes / 1024} KiB of ${SIZE / 1024} KiB\n`);
await server.close();
