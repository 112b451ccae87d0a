import { beforeEach, describe, expect, test } from 'vitest';
import { KernelHang, KernelPanic } from '../kernel/errors.js';
import type { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { Tlb } from '../machine/tlb.js';
import type { Access } from '../machine/units.js';
import type { CallResult } from '../vm/errno.js';
import type { MapRequest, SystemOptions, VmDevice, VmFile, VmProcess, VmSystem } from '../vm/system.js';
import type { ExtensionFactory } from './extensions.js';
import { parseScenario } from './parse.js';
import { type FaultObserver, type RunOptions, runScenario } from './run.js';

/**
 * A kernel of a few lines: a fault on a page of `mapped` enters it, any other is refused with code 1. What the tests want to
 * go wrong is set in its fields.
 */
class TinySystem implements VmSystem {
  readonly name: VmSystem['name'];
  readonly tlb = {} as Tlb;
  readonly machine = {} as Machine;
  readonly port = {} as VmSystem['port'];
  readonly faultSuccess = 0;
  lastFaultMajor = false;
  onKill: VmSystem['onKill'] = null;
  readonly entered = new Map<string, number>();
  readonly frames: Uint8Array[] = [];
  readonly calls: unknown[][] = [];
  readonly files: VmFile[] = [];
  mapped: (vpn: number) => boolean = () => true;
  refuse: CallResult = 0;
  forkFails = false;
  /** The first process: the one that the tests kill. */
  victim: (VmProcess & { alive: boolean }) | null = null;
  neverEnters = false;
  onFault: (process: VmProcess) => void = () => {};

  constructor(
    readonly options: SystemOptions,
    name: VmSystem['name'],
  ) {
    this.name = name;
  }

  createFile(name: string, store: BackingStore): VmFile {
    const file = { name, store };
    this.files.push(file);
    return file;
  }
  forgetFile(): void {}

  createDevice(name: string, pages: number, fill?: (page: number, bytes: Uint8Array) => void): VmDevice {
    const bytes = new Uint8Array(4096);
    fill?.(1, bytes);
    this.calls.push(['device', name, pages, bytes[0]]);
    return { name, pages };
  }
  spawn(name: string): VmProcess & { alive: boolean } {
    const process = { id: 1, name, alive: true, usage: { minor: 12, major: 3 } };
    this.victim ??= process;
    return process;
  }
  fork(_parent: VmProcess, name: string): ReturnType<VmSystem['fork']> {
    return this.forkFails ? 'ENOMEM' : this.spawn(name);
  }
  exit(process: VmProcess): void {
    this.calls.push(['exit', process.name]);
  }
  map(process: VmProcess, request: MapRequest): CallResult {
    this.calls.push(['map', process.name, request]);
    return this.refuse;
  }
  #call(word: string, process: VmProcess, ...rest: unknown[]): CallResult {
    this.calls.push([word, process.name, ...rest]);
    return this.refuse;
  }
  unmap = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('unmap', p, ...rest);
  protect = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('protect', p, ...rest);
  advise = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('advise', p, ...rest);
  inherit = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('inherit', p, ...rest);
  wire = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('wire', p, ...rest);
  unwire = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('unwire', p, ...rest);
  sync = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('sync', p, ...rest);
  brk = (p: VmProcess, ...rest: unknown[]): CallResult => this.#call('brk', p, ...rest);

  translate(process: VmProcess, vpn: number, access: Access): number {
    return this.entered.get(`${process.name} ${vpn} ${access}`) ?? -1;
  }
  addressSpaceNumber(): number {
    return 0;
  }
  fault(process: VmProcess, vpn: number, access: Access): number {
    this.onFault(process);
    if (!this.mapped(vpn)) return 1;
    if (this.neverEnters) return 0;
    let frame = this.entered.get(`${process.name} ${vpn} 0`) ?? this.entered.get(`${process.name} ${vpn} 1`);
    if (frame === undefined) frame = this.frames.push(new Uint8Array(4096)) - 1;
    this.entered.set(`${process.name} ${vpn} ${access}`, frame);
    return 0;
  }
  faultCodeName(code: number): string {
    return ['KERN_SUCCESS', 'KERN_INVALID_ADDRESS'][code] as string;
  }
  frameBytes(frame: number): Uint8Array | null {
    return this.frames[frame] ?? null;
  }
  pageout(pages: number): void {
    this.calls.push(['pageout', pages]);
  }
  translations(): ReturnType<VmSystem['translations']> {
    return [{ start: 0x10000, end: 0x12000, protection: 3, wired: false }];
  }
  entries(): ReturnType<VmSystem['entries']> {
    return [];
  }
  backing(): ReturnType<VmSystem['backing']> {
    return null;
  }
  queues(): ReturnType<VmSystem['queues']> {
    return [{ name: 'free', pages: this.options.memoryPages ?? 4096 }];
  }
  counters(): Record<string, number> {
    return { v_vm_faults: 2, v_zfod: 0 };
  }
  statistics(): Record<string, number> {
    return this.counters();
  }
  counter(name: string): number {
    return this.counters()[name] ?? 0;
  }
  chainLength(): number {
    return 1;
  }
  check(): void {}
}

let system: TinySystem;
let prepare: (system: TinySystem) => void;
beforeEach(() => {
  prepare = () => {};
});

interface Ran {
  readonly lines: string[];
  readonly end: string;
}

function run(text: string, more: Partial<RunOptions> = {}, name: VmSystem['name'] = 'freebsd'): Ran {
  const result = parseScenario(text, name);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  const lines: string[] = [];
  const boot = (options: SystemOptions): VmSystem => {
    system = new TinySystem(options, name);
    prepare(system);
    return system;
  };
  const end = runScenario(result.script, { boot, write: (line) => lines.push(line), ...more });
  return { lines, end };
}

describe('accesses', () => {
  test('a miss takes one fault, a hit prints nothing', () => {
    expect(run('proc A\nA read 0x10123 2\nA read 0x10000\nA write 0x11000').lines).toEqual([
      'fault A r 0x10000 KERN_SUCCESS minor',
      'fault A r 0x11000 KERN_SUCCESS minor',
      'fault A w 0x11000 KERN_SUCCESS minor',
    ]);
  });

  test('a store is seen by a load of the same byte', () => {
    expect(run('proc A\nA write 0x10007 = 0x0c\nA byte 0x10007\nA byte 0x10008').lines).toEqual([
      'fault A w 0x10000 KERN_SUCCESS minor',
      'fault A r 0x10000 KERN_SUCCESS minor',
      'byte A 0x10007 = 0x0c',
      'byte A 0x10008 = 0x00',
    ]);
  });

  test('a refused access is dropped, and the next page is tried', () => {
    prepare = (s) => {
      s.mapped = (vpn) => vpn !== 0x10;
      s.lastFaultMajor = true;
    };
    expect(run('proc A\nA read 0x10000 2\nA byte 0x10000').lines).toEqual([
      'fault A r 0x10000 KERN_INVALID_ADDRESS',
      'fault A r 0x11000 KERN_SUCCESS major',
      'fault A r 0x10000 KERN_INVALID_ADDRESS',
    ]);
  });

  test('an access still not allowed after 8 faults is dropped as LOOP', () => {
    prepare = (s) => {
      s.neverEnters = true;
    };
    expect(run('proc A\nA write 0x10000').lines).toEqual([
      ...Array(8).fill('fault A w 0x10000 KERN_SUCCESS minor'),
      'fault A w 0x10000 LOOP',
    ]);
  });
});

describe('calls', () => {
  test('lengths and offsets are handed over in bytes', () => {
    run('device D 4\nproc A\nA map 0x10000 3 device D 2 shared r--\nA protect 0x10000 2 r-x\npageout 7');
    expect(system.options).toEqual({ devicePages: 4 });
    expect(system.calls[0]).toEqual(['device', 'D', 4, (4096 * 7 + 13 + 1) % 251]);
    const backing = { kind: 'device', device: { name: 'D', pages: 4 }, offset: 8192 };
    const request = { address: 0x10000, length: 12288, protection: 1, sharing: 'shared', fixed: true, backing };
    expect(system.calls[1]).toEqual(['map', 'A', request]);
    expect(system.calls[2]).toEqual(['protect', 'A', 0x10000, 8192, 5]);
    expect(system.calls[3]).toEqual(['pageout', 7]);
  });

  test('memory and swap reach the machine before anything else', () => {
    expect(run('swap 9\nmemory 64\nqueues').lines).toEqual(['queues free=64']);
    expect(system.options).toEqual({ memoryPages: 64, swapPages: 9, devicePages: 0 });
  });

  test('a refusal prints its errno and the script goes on', () => {
    prepare = (s) => {
      s.refuse = 'EINVAL';
    };
    expect(run('proc A\nA unmap 0x1000 1\nA sync 1 1').lines).toEqual(['error A unmap EINVAL', 'error A sync EINVAL']);
  });

  test('a process whose fork was refused is not there', () => {
    prepare = (s) => {
      s.forkFails = true;
    };
    expect(run('proc A\nfork A B\nB read 0x1000\nB pmap\nexit B').lines).toEqual([
      'error A fork ENOMEM',
      'error B read ESRCH',
      'error B pmap ESRCH',
      'error B exit ESRCH',
    ]);
  });
});

describe('dumps', () => {
  test('each in its form', () => {
    expect(run('proc A\nA pmap\nA entries\nA backing 0x10000\nusage A\ncounters\nprint done').lines).toEqual([
      'pmap A',
      '  0x10000-0x12000 rw-',
      'entries A',
      'backing A 0x10000',
      '  none',
      'usage A minor=12 major=3',
      'counters',
      '  v_vm_faults 2',
      'done',
    ]);
  });

  test('netbsd refuses to show the backing of what is not mapped', () => {
    expect(run('proc A\nA backing 0x10000', {}, 'netbsd').lines).toEqual(['error A backing EFAULT']);
  });
});

describe('the kernel gives up', () => {
  test('a panic ends the script', () => {
    prepare = (s) => {
      s.onFault = () => {
        throw new KernelPanic('vm_fault: fault on nofault entry');
      };
    };
    const { lines, end } = run('proc A\nA read 0x1000\nprint never');
    expect(lines).toEqual(['panic vm_fault: fault on nofault entry']);
    expect(end).toBe('panic');
  });

  test('so does a hang', () => {
    prepare = (s) => {
      s.onFault = () => {
        throw new KernelHang('pfault', 'A waits for memory that nobody can free');
      };
    };
    expect(run('proc A\nA read 0x1000\nprint never')).toEqual({ lines: ['hang pfault'], end: 'hang' });
  });

  test('any other error passes through', () => {
    prepare = (s) => {
      s.onFault = () => {
        throw new TypeError('ours');
      };
    };
    expect(() => run('proc A\nA read 0x1000')).toThrow('ours');
  });

  test('a killed process is announced, and shows an empty space from then on', () => {
    prepare = (s) => {
      s.onFault = (process) => {
        if (process.name !== 'B') return;
        const victim = s.victim as { alive: boolean } & VmProcess;
        victim.alive = false;
        s.onKill?.(victim);
        s.onFault = () => {};
      };
    };
    const text = 'proc A\nproc B\nB read 0x1000\nA read 0x1000\nA pmap\nusage A\nB pmap';
    expect(run(text).lines).toEqual([
      'killed A',
      'fault B r 0x1000 KERN_SUCCESS minor',
      'error A read ESRCH',
      'pmap A',
      'usage A minor=12 major=3',
      'pmap B',
      '  0x10000-0x12000 rw-',
    ]);
  });
});

describe('those who look on', () => {
  test('an observer is called around each fault and may print below its line', () => {
    const seen: unknown[] = [];
    const observer: FaultObserver = {
      beforeFault: (process, vpn, access) => seen.push([process.name, vpn, access]),
      afterFault: (code) => [`    because ${code}`],
    };
    expect(run('proc A\nA write 0x5000', { observe: () => observer }).lines).toEqual([
      'fault A w 0x5000 KERN_SUCCESS minor',
      '    because 0',
    ]);
    expect(seen).toEqual([['A', 5, 1]]);
  });

  test('it is told of a fault that never came back', () => {
    prepare = (s) => {
      s.onFault = () => {
        throw new KernelPanic('text');
      };
    };
    const observer: FaultObserver = {
      beforeFault: () => {},
      afterFault: () => [],
      abandonedFault: () => ['    it went like this'],
    };
    expect(run('proc A\nA read 0x5000', { observe: () => observer }).lines).toEqual([
      '    it went like this',
      'panic text',
    ]);
  });

  test('commands are announced before they run', () => {
    const texts: string[] = [];
    run('# note\nproc A\nA pmap # here', { onCommand: (command) => texts.push(`${command.line} ${command.text}`) });
    expect(texts).toEqual(['2 proc A', '3 A pmap']);
  });

  test("a system's own commands run in its room, with accesses lent by the runner", () => {
    const extension: ExtensionFactory = () => ({
      run(command, context) {
        if (command.name !== 'reserve') throw new Error('unexpected');
        const process = context.process(command.process);
        if (process === null) return;
        context.access(process, command.address, 0);
        context.refuse(command.process, 'EINVAL');
      },
    });
    expect(run('proc A\nA reserve 0x3000 1', { extension }, 'netbsd').lines).toEqual([
      'fault A r 0x3000 KERN_SUCCESS minor',
      'error A reserve EINVAL',
    ]);
    expect(() => run('proc A\nA reserve 0x3000 1', {}, 'netbsd')).toThrow('netbsd has no way to run reserve');
  });
});
