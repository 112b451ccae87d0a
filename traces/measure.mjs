/**
 * Prints what the traces here hold and how compact they are: `npm run build && node traces/measure.mjs`.
 * Payload is what the chunks hold before compression. Decoding is the best of five readings of the whole file.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TraceReader, totalReferences } from '@faultline/trace';

const directory = fileURLToPath(new URL('.', import.meta.url));
const rows = [];
for (const name of readdirSync(directory).sort()) {
  if (!name.endsWith('.vmt')) continue;
  const reader = TraceReader.open(`${directory}/${name}`);
  let payload = 0;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    reader.rewind();
    const started = performance.now();
    while (reader.next() !== null);
    best = Math.min(best, performance.now() - started);
    payload = reader.payloadBytes;
  }
  const { header, size } = reader;
  const references = totalReferences(header.references);
  rows.push({
    trace: name,
    processes: header.processes.length,
    references,
    fetches: header.references.execute,
    loads: header.references.load,
    stores: header.references.store,
    'refs a record': Number((references / header.records).toFixed(2)),
    events: header.events,
    bytes: size,
    'payload B/ref': Number((payload / references).toFixed(3)),
    'file B/1000 refs': Number(((size / references) * 1000).toFixed(1)),
    'decode Mref/s': Math.round(references / best / 1000),
  });
  reader.close();
}
console.table(rows);
