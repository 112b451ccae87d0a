/**
 * For the tests of this package: an environment whose streams are strings, and a system of a few lines.
 *
 * The system maps whatever is asked for, enters any page of it that is faulted on, and refuses `unmap` with EINVAL;
 * enough to see that a command reaches it and that its answers are printed.
 */
import { Hardware, type SystemName, type SystemOptions, type VmProcess, type VmSystem } from '@faultline/core';
import type { Environment, SystemEntry } from '../packages/cli/src/environment.js';

export interface Captured extends Environment {
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export function capture(systems: Readonly<Record<string, SystemEntry>>, errIsTerminal = false): Captured {
  let out = '';
  let err = '';
  return {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    errIsTerminal,
    systems,
    version: '1.2.3',
    stdout: () => out,
    stderr: () => err,
  };
}

/** A system whose every page can be had, one frame each. */
export function tinySystem(name: SystemName, options: SystemOptions): VmSystem {
  const entered = new Set<string>();
  const bytes = new Uint8Array(4096);
  const spawn = (processName: string): VmProcess => ({
    id: 1,
    name: processName,
    alive: true,
    usage: { minor: entered.size, major: 0 },
  });
  const system: Partial<VmSystem> = {
    name,
    faultSuccess: 0,
    lastFaultMajor: false,
    onKill: null,
    spawn,
    map: () => 0,
    unmap: () => 'EINVAL',
    translate: (process, vpn, access) => (entered.has(`${process.name} ${vpn} ${access}`) ? 0 : -1),
    fault: (process, vpn, access) => {
      entered.add(`${process.name} ${vpn} ${access}`);
      return 0;
    },
    faultCodeName: () => 'KERN_SUCCESS',
    frameBytes: () => bytes,
    counters: () => ({}),
    statistics: () => ({}),
    counter: () => 0,
    chainLength: () => 0,
    machine: new Hardware({ poolFrames: 1, contents: false, loadRule: 'read-bit' }),
    entries: () => [],
    addressSpaceNumber: () => 1,
    queues: () => [{ name: 'free', pages: options.memoryPages ?? 4096 }],
  };
  return system as VmSystem;
}

export const TINY: Readonly<Record<string, SystemEntry>> = {
  freebsd: { boot: (options) => tinySystem('freebsd', options) },
};
