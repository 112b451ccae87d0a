/**
 * Commands that only some systems have, and how a system carries out its own.
 *
 * The words live here, with the rest of the language, so that a script is read in one way on every system and a
 * command met on the wrong one can say where it belongs. What a command does lives in the room of its system: the
 * room hands the runner an `ExtensionFactory`, and gets its commands read and checked.
 *
 * The 1992 kernel (csrg) and freebsd add no words of their own.
 */

import type { Access } from '../machine/units.js';
import type { Prot } from '../vm/prot.js';
import type { EntryInfo, Sharing, SystemName, VmDevice, VmFile, VmProcess, VmSystem } from '../vm/system.js';
import type { Range } from './actions.js';
import { DRAGONFLY_FORMS } from './extensions-dragonfly.js';
import { NETBSD_FORMS } from './extensions-netbsd.js';
import type { Form } from './forms.js';

interface At {
  readonly process: string;
  readonly address: number;
}

/** What a page is asked for by the commands that call the handler's other entrances. */
export type DragonflyWant = 'r' | 'w' | 'o' | 'n';

export type DragonflyCommand =
  | (Range & {
      readonly name: 'map vpagetable' | 'map nosync';
      readonly backing:
        | { readonly kind: 'anon' }
        | { readonly kind: 'file'; readonly name: string; readonly offset: number };
      readonly sharing: Sharing;
      readonly protection: Prot;
    })
  | (Range & { readonly name: 'map stack' | 'map kstack' | 'inval' | 'kwire' | 'kunwire' | 'syncinval' })
  | (Range & { readonly name: 'setmap'; readonly pde: bigint })
  | (Range & { readonly name: 'advise'; readonly advice: 'nosync' | 'autosync' | 'nocore' | 'core' })
  | (At & { readonly name: 'poke'; readonly value: bigint })
  | (At & { readonly name: 'peek' })
  | (At & { readonly name: 'faultpage'; readonly want: DragonflyWant })
  | (At & { readonly name: 'objpage'; readonly want: DragonflyWant; readonly dirty: boolean; readonly unswap: boolean })
  | { readonly name: 'load'; readonly load: number | 'off' }
  | { readonly name: 'tick'; readonly ticks: number }
  | { readonly name: 'fastfault' | 'collapse' | 'badswap'; readonly on: boolean }
  | { readonly name: 'ticks' | 'reclaim' | 'swapoff' }
  | { readonly name: 'truncate'; readonly file: string; readonly bytes: number }
  | { readonly name: 'badblock'; readonly file: string; readonly page: number };

export type NetbsdCommand =
  | (Range & { readonly name: 'loan'; readonly to: { readonly process: string; readonly address: number } | 'kernel' })
  | (Range & { readonly name: 'unloan' | 'reserve' })
  | { readonly name: 'swaperror'; readonly count: number; readonly again: boolean }
  | {
      readonly name: 'ioerror';
      readonly file: string;
      readonly page: number;
      readonly count: number;
      readonly again: boolean;
    }
  | { readonly name: 'pmapfail'; readonly count: number }
  | { readonly name: 'shm'; readonly segment: string; readonly pages: number }
  | (Range & {
      readonly name: 'map shm';
      readonly segment: string;
      readonly offset: number;
      readonly sharing: Sharing;
      readonly protection: Prot;
    })
  | (Range & { readonly name: 'submap'; readonly inner: string })
  | { readonly name: 'kernelmap'; readonly process: string };

export type ExtensionCommand = DragonflyCommand | NetbsdCommand;

export interface ExtensionAction {
  readonly kind: 'extension';
  /** The command's word, as an error line prints it. */
  readonly word: string;
  readonly command: ExtensionCommand;
}

/** What the runner lends to a system's own commands. */
export interface ExtensionContext {
  readonly system: VmSystem;
  write(line: string): void;
  /** `error P WORD ERRNO`. */
  refuse(process: string, errno: string): void;
  /** The process, or null after an `error P WORD ESRCH` line when it is not there any more. */
  process(name: string): VmProcess | null;
  file(name: string): VmFile;
  device(name: string): VmDevice;
  /**
   * One access as the commands `read` and `write` make it, fault lines included. Answers with the frame that was
   * reached, or -1 where the access was dropped.
   */
  access(process: VmProcess, address: number, access: Access): number;
}

/** One run's worth of a system's own commands: it may keep what they made. */
export interface ScenarioExtension {
  run(command: ExtensionCommand, context: ExtensionContext): void;
  /** Further words at the end of an `entries` line of a process. */
  entryWords?(entry: EntryInfo, process: VmProcess): readonly string[];
}

export type ExtensionFactory = (system: VmSystem) => ScenarioExtension;

/** Every form that only some systems have. */
export const EXTENSION_FORMS: readonly Form[] = [...DRAGONFLY_FORMS, ...NETBSD_FORMS];

/** ` (dragonfly only)`: the systems that have a form, for a reader. */
export function systemsOf(forms: readonly Form[]): readonly SystemName[] {
  const names = new Set<SystemName>();
  for (const form of forms) for (const name of form.systems ?? []) names.add(name);
  return [...names];
}
