/** Accesses of all kinds, made on a machine and told to the model. */
import { isDeepStrictEqual } from 'node:util';
import * as F from '@faultline/core';
import { Calls } from './calls.js';
import { must } from './mismatch.js';
import type { Trap } from './model/access.js';
import type { Handling, Operation } from './program.js';
import { littleEndian, loadBytes, type Of, storeBytes, type Twin, trapName, trapOf } from './world.js';

export type Access = Of<'load' | 'store' | 'fetch' | 'cas' | 'copyin' | 'copyout' | 'touch'>;

const ACCESSES = new Set(['load', 'store', 'fetch', 'cas', 'copyin', 'copyout', 'touch']);
export const isAccess = (operation: Operation): operation is Access => ACCESSES.has(operation.op);

/** What an access needs, and where. */
interface Wanted {
  readonly address: number;
  readonly length: number;
  readonly need: number;
}

const PROT_ALL = F.PROT_READ | F.PROT_WRITE | F.PROT_EXEC;
/** How often a handler may have one access tried again. */
const RETRIES_MAX = 100;

export class Accesses extends Calls {
  /** Handlers of signals, by the number of the process. */
  private readonly handlers = new Map<number, Handling>();
  /** The signal that a handler has let be raised last. */
  private raised: Trap = null;

  // ---- signal handlers

  protected handle({ real }: Twin, { how }: Of<'handle'>): string {
    if (how === 'none') this.handlers.delete(real.id);
    else this.handlers.set(real.id, how);
    return '';
  }

  /** Makes an access. The process may have a handler: what that is told must be right, and so must how often it is asked. */
  private attempt(twin: Twin, wanted: Wanted, access: () => void): Trap {
    const { real } = twin;
    const how = this.handlers.get(real.id);
    let asked = 0;
    let answer = 'retry' as F.SignalAnswer;
    let told: Trap = null;
    const handler = (signal: F.SignalValue): F.SignalAnswer => {
      asked++;
      told = this.told(twin, wanted, signal);
      answer = how === 'raise' || (how === 'mend' && !this.mend(twin, signal.address, asked)) ? 'raise' : 'retry';
      return answer;
    };
    real.onSignal = how === undefined ? null : handler;
    const trap = trapOf(access);
    real.onSignal = null;
    if (how === undefined || trap?.why.startsWith('SIGKILL')) return trap;
    // A signal is raised when the handler wants that, or has wanted it tried again too often.
    const raised = answer === 'raise' || asked === RETRIES_MAX;
    must(raised === (trap !== null), `the handler was asked ${asked} times, and said ${answer} at last`);
    must(!raised || isDeepStrictEqual(trap, told), `${JSON.stringify(trap)} was raised, not ${JSON.stringify(told)}`);
    this.raised = trap;
    return trap;
  }

  /** Whether an access went through. A signal that a handler was told of has been judged then; what it tried may have cost the mapping since. */
  private wentThrough({ model }: Twin, { address, length, need }: Wanted, trap: Trap): boolean {
    if (trap !== null && trap === this.raised) return false;
    return this.model.trapped(model, address, length, need, trap);
  }

  /** The signal that a handler is told must be the one that the access may end with. */
  private told({ model }: Twin, { address, length, need }: Wanted, signal: F.SignalValue): Trap {
    const trap = { why: `${signal.signal} ${signal.code}`, address: signal.address };
    this.model.trapped(model, address, length, need, trap);
    return trap;
  }

  /** Allows everything of the page, or puts another one in its place. False: neither could be done. */
  private mend(twin: Twin, address: number, tries: number): boolean {
    const page = { who: 0, at: address - (address % F.PAGE_SIZE), length: F.PAGE_SIZE, prot: PROT_ALL };
    if (tries === 1 && this.memoryCall(twin, { ...page, op: 'mprotect' }) === 0) return true;
    const flags = F.MAP_PRIVATE | F.MAP_ANON | F.MAP_FIXED;
    const request = { ...page, op: 'mmap', flags, fd: -1, offset: 0 } as const;
    return tries <= 4 && typeof this.memoryCall(twin, request) === 'number';
  }

  // ---- accesses

  protected access(twin: Twin, operation: Access): string {
    const { real, model } = twin;
    const address = this.resolve(twin, operation.at);
    switch (operation.op) {
      case 'load':
        return this.load(twin, address, operation.width, F.PROT_READ, () => loadBytes(real, address, operation.width));
      case 'fetch':
        return this.load(twin, address, 4, this.model.rules.fetchNeeds, () =>
          littleEndian(BigInt(real.fetch32(address)), 4),
        );
      case 'store': {
        const { width } = operation;
        const bytes = Uint8Array.from({ length: width }, (_, i) => (operation.value + i * 3) & 255);
        const range = { address, length: width, need: F.PROT_WRITE };
        const trap = this.attempt(twin, range, () => storeBytes(real, address, bytes));
        const through = this.wentThrough(twin, range, trap);
        // Of two pages both are there before anything is stored.
        this.model.touched(model, address, width);
        if (through) this.model.store(model, address, bytes);
        return trapName(trap, address);
      }
      case 'cas':
        return this.compareAndSwap(twin, address, operation);
      case 'copyin': {
        const into = new Uint8Array(operation.length);
        const answer = this.copyin(twin, address, into);
        return `${answer} ${answer === into.length ? String(into) : ''}`;
      }
      case 'copyout': {
        const bytes = Uint8Array.from({ length: operation.length }, (_, i) => (operation.value + i * 5) & 255);
        const answer = real.copyout(bytes, address);
        const { done, moved } = this.model.copied(model, address, bytes.length, F.PROT_WRITE, answer);
        this.model.store(model, address, bytes.subarray(0, moved), done);
        return String(answer);
      }
      case 'touch':
        return this.touch(twin, address, operation.length, operation.access);
    }
  }

  protected copyin({ real, model }: Twin, address: number, into: Uint8Array): F.CallResult {
    const answer = real.copyin(address, into);
    if (this.model.copied(model, address, into.length, F.PROT_READ, answer).done) this.model.see(model, address, into);
    return answer;
  }

  protected load(twin: Twin, address: number, width: number, need: number, load: () => Uint8Array): string {
    let seen = new Uint8Array(0);
    const wanted = { address, length: width, need };
    const trap = this.attempt(twin, wanted, () => {
      seen = load() as Uint8Array<ArrayBuffer>;
    });
    if (!this.wentThrough(twin, wanted, trap)) return trapName(trap, address);
    this.model.see(twin.model, address, seen);
    return String(seen);
  }

  protected compareAndSwap(twin: Twin, address: number, { width, value, same }: Of<'cas'>): string {
    const { real, model } = twin;
    let now = 0n;
    const loaded = this.load(twin, address, width, F.PROT_READ, () => {
      now = width === 4 ? BigInt(real.load32(address)) : real.load64(address);
      return littleEndian(now, width);
    });
    if (loaded.startsWith('SIG')) return loaded;
    const expected = same ? now : now ^ 1n;
    let was = now;
    const wanted = { address, length: width, need: F.PROT_WRITE };
    const trap = this.attempt(twin, wanted, () => {
      was =
        width === 4
          ? BigInt(real.compareAndSwap32(address, Number(expected), value))
          : real.compareAndSwap64(address, expected, BigInt(value));
    });
    const through = this.wentThrough(twin, wanted, trap);
    this.model.touched(model, address, width);
    if (!through) return trapName(trap, address);
    this.model.see(model, address, littleEndian(was, width));
    if (same) this.model.store(model, address, littleEndian(BigInt(value), width));
    return String(was);
  }

  protected touch({ real, model }: Twin, address: number, length: number, access: F.Access): string {
    const signal = real.touch(address, length, access);
    const trap = signal === null ? null : { why: `${signal.signal} ${signal.code}`, address: signal.address };
    const need =
      access === F.ACCESS_WRITE ? F.PROT_WRITE : access === F.ACCESS_READ ? F.PROT_READ : this.model.rules.fetchNeeds;
    this.model.trapped(model, address, length, need, trap);
    this.model.touched(model, address, length);
    return trapName(trap, address);
  }
}
