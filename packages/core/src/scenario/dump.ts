/**
 * The dump commands: what the system tells about itself, as lines.
 *
 * A process may be missing here although the script is right: its fork was refused, or the kernel killed it for want
 * of memory. A killed one still shows its account and an address space with nothing in it.
 */
import type { VmProcess, VmSystem } from '../vm/system.js';
import type { DumpAction } from './actions.js';
import type { ScenarioExtension } from './extensions.js';
import { backingLines, counterLines, entryLine, hex, queuesLine, translationLine } from './print.js';

type ProcessDump = Extract<DumpAction, { process: string }>;
type MachineDump = Exclude<DumpAction, ProcessDump>;

/** `queues`, `counters`, `print`. */
export function machineDump(system: VmSystem, action: MachineDump): string[] {
  switch (action.kind) {
    case 'queues':
      return [queuesLine(system.queues())];
    case 'counters':
      return ['counters', ...counterLines(system.counters())];
    case 'print':
      return [action.text];
  }
}

/** `pmap`, `entries`, `backing`, `usage`. */
export function processDump(
  system: VmSystem,
  process: VmProcess | undefined,
  action: ProcessDump,
  extension: ScenarioExtension | null,
): string[] {
  const name = action.process;
  if (process === undefined) return [`error ${name} ${action.kind} ESRCH`];
  switch (action.kind) {
    case 'usage':
      return [`usage ${name} minor=${process.usage.minor} major=${process.usage.major}`];
    case 'pmap': {
      const runs = process.alive ? system.translations(process) : [];
      return [`pmap ${name}`, ...runs.map(translationLine)];
    }
    case 'entries': {
      const entries = process.alive ? system.entries(process) : [];
      return [`entries ${name}`, ...entries.map((entry) => entryLine(entry, extension?.entryWords?.(entry, process)))];
    }
    case 'backing': {
      const layers = process.alive ? system.backing(process, action.address) : null;
      // Only netbsd refuses to show what is not mapped; the others print an empty chain.
      if (layers === null && system.name === 'netbsd') return [`error ${name} backing EFAULT`];
      return [`backing ${name} ${hex(action.address)}`, ...backingLines(layers ?? [])];
    }
  }
}
