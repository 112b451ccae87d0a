/**
 * What a scenario can say, as data: one action a line of the script.
 *
 * The `kind` of an action is the word of the command as it is written, because that word is also what an `error P
 * COMMAND ERRNO` line prints. Addresses are bytes and lengths are pages, as in the script; processes, files and
 * devices are names until the script runs.
 */
import type { Prot } from '../vm/prot.js';
import type { Advice, Inheritance, Sharing, SystemName } from '../vm/system.js';
import type { ExtensionAction } from './extensions.js';

/** What a mapping shows, by name. Offsets are pages. */
export type NamedBacking =
  | { readonly kind: 'anon' }
  | { readonly kind: 'file'; readonly name: string; readonly offset: number }
  | { readonly kind: 'device'; readonly name: string; readonly offset: number };

/** A range of a process's address space: bytes and pages. */
export interface Range {
  readonly process: string;
  readonly address: number;
  readonly pages: number;
}

/** The machine: what must be known before it is built, and what it is given later. */
export type MachineAction =
  | { readonly kind: 'memory'; readonly pages: number }
  | { readonly kind: 'swap'; readonly pages: number }
  | { readonly kind: 'file'; readonly name: string; readonly bytes: number }
  | { readonly kind: 'device'; readonly name: string; readonly pages: number };

export type ProcessAction =
  | { readonly kind: 'proc'; readonly process: string }
  | { readonly kind: 'fork'; readonly process: string; readonly child: string }
  | { readonly kind: 'exit'; readonly process: string };

export type MapAction = Range & {
  readonly kind: 'map';
  readonly backing: NamedBacking;
  readonly sharing: Sharing;
  readonly protection: Prot;
};

/** The memory calls: each may be refused with an errno. */
export type CallAction =
  | MapAction
  | (Range & { readonly kind: 'unmap' | 'wire' | 'unwire' | 'sync' })
  | (Range & { readonly kind: 'protect'; readonly protection: Prot })
  | (Range & { readonly kind: 'advise'; readonly advice: Advice })
  | (Range & { readonly kind: 'inherit'; readonly how: Inheritance });

export type AccessAction =
  | (Range & { readonly kind: 'read' })
  | (Range & { readonly kind: 'write'; readonly value: number })
  | { readonly kind: 'byte'; readonly process: string; readonly address: number };

export type DumpAction =
  | { readonly kind: 'pmap' | 'entries' | 'usage'; readonly process: string }
  | { readonly kind: 'backing'; readonly process: string; readonly address: number }
  | { readonly kind: 'queues' | 'counters' }
  | { readonly kind: 'print'; readonly text: string };

export type Action =
  | MachineAction
  | ProcessAction
  | CallAction
  | AccessAction
  | DumpAction
  | { readonly kind: 'pageout'; readonly pages: number }
  | ExtensionAction;

/** An action and where it stands. */
export interface Command {
  /** From 1. */
  readonly line: number;
  /** The line without its comment and surrounding blanks. */
  readonly text: string;
  readonly action: Action;
}

/** A script without errors, for one system. */
export interface Script {
  readonly system: SystemName;
  readonly commands: readonly Command[];
  /** What the machine must be built with; left out where the script does not say. */
  readonly memoryPages?: number;
  readonly swapPages?: number;
  /** Frames outside the pool: the sum over all devices. */
  readonly devicePages: number;
}
