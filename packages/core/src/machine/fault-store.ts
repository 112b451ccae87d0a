/**
 * A store that fails on purpose: any other store, and a plan of what goes wrong when.
 *
 * A plan is a list of rules. A rule names the calls that it is about (reads, writes, ..., and if it says so only those that touch
 * a range of bytes), which of them it strikes (from the `nth` on, `times` times), and what happens then:
 *
 *     hold     the call is answered only after a gate opens, which the test does when it wants: a slow disk
 *     short    at most so many bytes move
 *     error    the call answers with this errno, after whatever moved: with `short`, a torn write
 *
 * Several rules may strike the same call: gates are waited for in the order of the rules, the least `short` counts, and so
 * does the first `error`. Calls that no rule strikes reach the store beneath unchanged. Everything is counted, struck or
 * not, so that a test can say "the third write", and check that it came.
 *
 * A plan with a gate makes the store asynchronous for good: a store may not change its mind about that.
 */
import type { BackingStore, IoResult } from './store.js';
import { checkBytes, checkTransfer, firstBytes } from './store-range.js';

export type StoreCall = 'read' | 'write' | 'truncate' | 'sync';

/** Opened once, by whoever controls the test; those who wait go on then, those who come later do not wait. */
export class Gate {
  readonly opened: Promise<void>;
  #open!: () => void;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }
}

export interface FaultRule {
  readonly on: StoreCall;
  /** The first call struck, counting from 1 those of this kind (and range). Default 1. */
  readonly nth?: number;
  /** How many calls in a row are struck. Default 1; `Infinity` for a disk that stays broken. */
  readonly times?: number;
  /** Only calls that touch a byte of [start, end), for reads and writes. Such calls alone are counted for `nth`. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Wait for this before anything moves. */
  readonly hold?: Gate;
  /** Bytes that move at most. */
  readonly short?: number;
  /** errno, positive, to answer with. */
  readonly error?: number;
}

/** What the store has been asked for, and what came of it. */
export interface FaultCounts {
  reads: number;
  writes: number;
  truncates: number;
  syncs: number;
  /** Bytes that really moved to and from the store beneath. */
  bytesRead: number;
  bytesWritten: number;
  /** Calls that a rule struck. */
  struck: number;
  /** Calls that wait at a gate at this moment. */
  held: number;
}

/** A rule and how many calls it has seen. */
interface LiveRule {
  readonly rule: FaultRule;
  seen: number;
}

/** What all rules together want of one call. */
interface Verdict {
  gates: Gate[];
  short: number;
  /** 0 for none. */
  error: number;
}

const COUNTER = { read: 'reads', write: 'writes', truncate: 'truncates', sync: 'syncs' } as const;

export class FaultInjectingStore implements BackingStore {
  readonly synchronous: boolean;
  /** As far as the store beneath is; the rules and counts are its own. */
  readonly selfContained: boolean;
  readonly counts: FaultCounts = {
    reads: 0,
    writes: 0,
    truncates: 0,
    syncs: 0,
    bytesRead: 0,
    bytesWritten: 0,
    struck: 0,
    held: 0,
  };
  private readonly inner: BackingStore;
  private rules: LiveRule[];

  /** Throws a RangeError for a rule that makes no sense. */
  constructor(inner: BackingStore, plan: readonly FaultRule[] = []) {
    plan.forEach(checkRule);
    this.inner = inner;
    this.rules = plan.map((rule) => ({ rule, seen: 0 }));
    this.selfContained = inner.selfContained === true;
    this.synchronous = inner.synchronous && !plan.some((rule) => rule.hold !== undefined);
  }

  /** Adds a rule, which counts calls from now on. A gate cannot be added to a synchronous store. */
  add(rule: FaultRule): void {
    checkRule(rule);
    if (this.synchronous && rule.hold !== undefined) {
      throw new RangeError('this store answers at once: give it its gates when it is made');
    }
    this.rules.push({ rule, seen: 0 });
  }

  /** Forgets every rule: the disk is well again. */
  heal(): void {
    this.rules = [];
  }

  size(): number {
    return this.inner.size();
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    const bytes = checkTransfer(offset, buffers);
    return this.call('read', offset, bytes, (most) =>
      this.inner.read(offset, most < bytes ? firstBytes(buffers, most) : buffers),
    );
  }

  write(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    const bytes = checkTransfer(offset, buffers);
    return this.call('write', offset, bytes, (most) =>
      this.inner.write(offset, most < bytes ? firstBytes(buffers, most) : buffers),
    );
  }

  truncate(bytes: number): IoResult | Promise<IoResult> {
    checkBytes('new length', bytes);
    return this.call('truncate', bytes, 0, () => this.inner.truncate(bytes));
  }

  sync(): IoResult | Promise<IoResult> {
    return this.call('sync', 0, 0, () => this.inner.sync());
  }

  close(): void {
    this.inner.close();
  }

  /** One call from beginning to end: `inner` makes it on the store beneath, moving at most so many bytes. */
  private call(
    on: StoreCall,
    offset: number,
    bytes: number,
    inner: (most: number) => IoResult | Promise<IoResult>,
  ): IoResult | Promise<IoResult> {
    this.counts[COUNTER[on]]++;
    const verdict = this.judge(on, offset, bytes);
    const go = (): IoResult | Promise<IoResult> => {
      // A call that fails outright never reaches the disk; one that is torn moves its part first.
      if (verdict.error !== 0 && verdict.short === Number.POSITIVE_INFINITY) return -verdict.error;
      const result = inner(verdict.short);
      return typeof result === 'number' ? this.settle(on, verdict, result) : this.settleLater(on, verdict, result);
    };
    return this.synchronous ? go() : this.wait(verdict.gates).then(go);
  }

  private async wait(gates: readonly Gate[]): Promise<void> {
    if (gates.length === 0) return;
    this.counts.held++;
    for (const gate of gates) await gate.opened;
    this.counts.held--;
  }

  private async settleLater(on: StoreCall, verdict: Verdict, result: Promise<IoResult>): Promise<IoResult> {
    return this.settle(on, verdict, await result);
  }

  private settle(on: StoreCall, verdict: Verdict, result: IoResult): IoResult {
    if (result > 0 && on === 'read') this.counts.bytesRead += result;
    if (result > 0 && on === 'write') this.counts.bytesWritten += result;
    return verdict.error !== 0 ? -verdict.error : result;
  }

  /** Asks every rule about a call, and lets those count it that it concerns. */
  private judge(on: StoreCall, offset: number, bytes: number): Verdict {
    const verdict: Verdict = { gates: [], short: Number.POSITIVE_INFINITY, error: 0 };
    let struck = false;
    for (const live of this.rules) {
      const { rule } = live;
      if (rule.on !== on || !touches(rule, offset, bytes)) continue;
      const number = ++live.seen;
      const first = rule.nth ?? 1;
      if (number < first || number >= first + (rule.times ?? 1)) continue;
      struck = true;
      if (rule.hold !== undefined) verdict.gates.push(rule.hold);
      if (rule.short !== undefined) verdict.short = Math.min(verdict.short, rule.short);
      if (verdict.error === 0) verdict.error = rule.error ?? 0;
    }
    if (struck) this.counts.struck++;
    return verdict;
  }
}

function touches(rule: FaultRule, offset: number, bytes: number): boolean {
  const { range } = rule;
  return range === undefined || (offset < range.end && offset + bytes > range.start);
}

function checkRule(rule: FaultRule): void {
  const { on, nth = 1, times = 1, range, hold, short, error } = rule;
  const wants = (good: boolean, problem: string): void => {
    if (!good) throw new RangeError(`a rule for '${on}': ${problem}`);
  };
  wants(on in COUNTER, 'there is no such call');
  wants(Number.isSafeInteger(nth) && nth >= 1, `nth counts from 1, so it cannot be ${nth}`);
  wants(times === Number.POSITIVE_INFINITY || (Number.isSafeInteger(times) && times >= 1), `times cannot be ${times}`);
  wants(error === undefined || (Number.isSafeInteger(error) && error > 0), `error is a positive errno, not ${error}`);
  wants(hold !== undefined || short !== undefined || error !== undefined, 'it says nothing of hold, short or error');
  if (short !== undefined) checkBytes('short', short);
  if (range !== undefined) {
    checkBytes('start of the range', range.start);
    checkBytes('end of the range', range.end);
    wants(range.start < range.end, `its range ${range.start}-${range.end} is empty`);
    wants(on === 'read' || on === 'write', 'only reads and writes have a range');
  }
  wants(short === undefined || on === 'read' || on === 'write', 'only reads and writes can be short');
}
