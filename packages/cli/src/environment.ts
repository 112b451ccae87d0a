/**
 * What the command touches outside itself, in one place: its streams, the systems that it can boot, its version.
 *
 * Commands get it as an argument, so a test can run one without a process around it.
 */
import type { ExtensionFactory, FaultObserver, SystemOptions, VmSystem } from '@faultline/core';

/** A finished system, as far as the commands use it. */
export interface SystemEntry {
  readonly boot: (options: SystemOptions) => VmSystem;
  /** The commands of the scenario language that this system alone has. */
  readonly extension?: ExtensionFactory;
  /** Explains each fault below its line (`--explain`). */
  readonly explain?: (system: VmSystem) => FaultObserver;
}

export interface Environment {
  /** Writes text to standard output. */
  out(text: string): void;
  /** Writes text to standard error. */
  err(text: string): void;
  /** Whether a person sees standard error: only then is progress shown. */
  readonly errIsTerminal: boolean;
  /** Finished systems by name, in the order in which they are listed. */
  readonly systems: Readonly<Record<string, SystemEntry>>;
  readonly version: string;
}
