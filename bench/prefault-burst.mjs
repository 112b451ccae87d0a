/**
 * What DragonFly's burst of zero pages saves: each recorded program, with vm.fast_fault on and off.
 *
 *     npx tsc --build && node bench/prefault-burst.mjs [TRACE...]
 *
 * A machine without contents and with memory to spare, so that only the handler shows. `faults` are those the programs took, `zeroed` the pages of
 * zeros made (by faults and by bursts), which is the memory that was touched on their account.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bootDragonfly } from '../packages/core/dist/index.js';
import { replay, TraceReader } from '../packages/trace/dist/index.js';

const folder = fileURLToPath(new URL('../traces/', import.meta.url));
const all = readdirSync(folder)
  .filter((name) => name.endsWith('.vmt'))
  .map((name) => folder + name);
const traces = process.argv.length > 2 ? process.argv.slice(2) : all;

function measure(path, burst) {
  const system = bootDragonfly({ memoryPages: 262144, contents: false });
  system.vm.fastFault = burst;
  const reader = TraceReader.open(path);
  try {
    replay(reader, system);
  } finally {
    reader.close();
  }
  const counts = system.statistics();
  return { faults: counts.v_vm_faults, zeroed: counts.v_zfod, burst: counts.prefault_zeroed };
}

console.log('trace                faults on      off   saved  zeroed on      off    more  by bursts');
for (const path of traces) {
  const on = measure(path, true);
  const off = measure(path, false);
  const name = path.replace(/.*\//, '').padEnd(20);
  const saved = `${(100 * (1 - on.faults / off.faults)).toFixed(1)}%`;
  const more = `${(100 * (on.zeroed / off.zeroed - 1)).toFixed(1)}%`;
  const columns = [on.faults, off.faults, saved, on.zeroed, off.zeroed, more, on.burst];
  console.log(name + columns.map((value) => String(value).padStart(9)).join(''));
}
