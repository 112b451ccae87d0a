/**
 * Accesses of the model: loads and stores, and the calls that move bytes between memory and files.
 */
import type { CallResult } from '@faultline/core';
import * as F from '@faultline/core';
import { type Cell, Mismatch } from './cell.js';
import type { Open } from './file.js';
import { Model, type ModelProcess } from './model.js';

const { PAGE_SIZE } = F;

/** Part of a range of bytes that lies in one page. */
export interface Piece {
  readonly vpn: number;
  /** In the page. */
  readonly offset: number;
  /** In the range. */
  readonly at: number;
  readonly length: number;
}

export function piecesOf(address: number, length: number): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < length; ) {
    const offset = (address + at) % PAGE_SIZE;
    const size = Math.min(PAGE_SIZE - offset, length - at);
    pieces.push({ vpn: Math.floor((address + at) / PAGE_SIZE), offset, at, length: size });
    at += size;
  }
  return pieces;
}

/** How an access came out: the signal with its code, and where. Null: it went through. */
export type Trap = { readonly why: string; readonly address: number } | null;

export class AccessModel extends Model {
  /** What an access to a page may come to. */
  private outcomes(p: ModelProcess, vpn: number, need: number): readonly string[] {
    const { signals } = this.rules;
    const place = p.places.get(vpn);
    if (place === undefined) return [signals.missing];
    const wanted = need === F.PROT_WRITE ? this.rules.storeNeeds : need;
    const present = place.cell.present();
    if ((place.prot & wanted) !== wanted) return this.withoutPermission(p, vpn, need, place.prot, present !== false);
    if (this.rules.lockedRefuses && place.wired !== 0 && need === F.PROT_WRITE && present === true && !place.shared) {
      return ['ok', signals.protection];
    }
    return present === null ? ['ok', signals.pastEnd] : [present ? 'ok' : signals.pastEnd];
  }

  /** Hardware that tells fewer permissions apart than the map does lets some accesses through, where there is a translation. */
  private withoutPermission(
    p: ModelProcess,
    vpn: number,
    need: number,
    prot: number,
    translated: boolean,
  ): readonly string[] {
    const { rules } = this;
    const refused = rules.stackHides && vpn >= p.stackStart ? rules.signals.missing : rules.signals.protection;
    const readable = rules.translatedIsReadable && need === F.PROT_READ && prot !== 0;
    const writable = rules.translatedIsWritable && need === F.PROT_WRITE && (prot & F.PROT_WRITE) !== 0;
    return translated && (readable || writable) ? ['ok', refused] : [refused];
  }

  /** How many bytes can be reached in any case, and how many perhaps. */
  reach(p: ModelProcess, address: number, length: number, need: number): { sure: number; most: number } {
    let sure = length;
    for (const { vpn, at } of piecesOf(address, length)) {
      const outcomes = this.outcomes(p, vpn, need);
      if (outcomes[0] === 'ok' && outcomes.length === 1) continue;
      sure = Math.min(sure, at);
      if (outcomes[0] !== 'ok') return { sure, most: at };
    }
    return { sure, most: length };
  }

  /** The trap must be the right one at the right place; whether the access went through. */
  trapped(p: ModelProcess, address: number, length: number, need: number, trap: Trap): boolean {
    const { sure, most } = this.reach(p, address, length, need);
    if (trap === null) {
      if (most < length) throw new Mismatch(`went through, not ${this.expected(p, address + most, need)}`);
      return true;
    }
    if (this.scarce && trap.why === 'SIGKILL NOMEM') return false;
    const at = trap.address - address;
    const possible =
      at >= sure && at <= most && this.outcomes(p, Math.floor(trap.address / PAGE_SIZE), need).includes(trap.why);
    if (!possible)
      throw new Mismatch(
        `${trap.why} at ${trap.address}, not ${sure < length ? this.expected(p, address + sure, need) : 'a success'}`,
      );
    return false;
  }

  private expected(p: ModelProcess, address: number, need: number): string {
    return `${this.outcomes(p, Math.floor(address / PAGE_SIZE), need).join(' or ')} at ${address}`;
  }

  see(p: ModelProcess, address: number, seen: Uint8Array): void {
    for (const { vpn, offset, at, length } of piecesOf(address, seen.length)) {
      try {
        this.cell(p, vpn).see(offset, seen.subarray(at, at + length));
      } catch (error) {
        throw error instanceof Mismatch ? new Mismatch(`page ${vpn}: ${error.message}`) : error;
      }
    }
  }

  store(p: ModelProcess, address: number, bytes: Uint8Array): void {
    for (const { vpn, offset, at, length } of piecesOf(address, bytes.length)) {
      this.cell(p, vpn).store(offset, [bytes.subarray(at, at + length)]);
    }
  }

  /** What the call asked for may have been done to the first bytes, or to none. */
  private maybeStored(p: ModelProcess, address: number, bytes: Uint8Array): void {
    for (const { vpn, offset, at, length } of piecesOf(address, bytes.length)) {
      this.cell(p, vpn).maybeStore(offset, [bytes.subarray(at, at + length)]);
    }
  }

  private cell(p: ModelProcess, vpn: number): Cell {
    const place = p.places.get(vpn);
    if (place === undefined) throw new Mismatch(`page ${vpn} is not mapped`);
    return place.cell;
  }

  // ---- copyin, copyout, touch

  copyin(p: ModelProcess, address: number, seen: Uint8Array, actual: CallResult): void {
    if (this.copied(p, address, seen.length, F.PROT_READ, actual)) this.see(p, address, seen);
  }

  copyout(p: ModelProcess, address: number, bytes: Uint8Array, actual: CallResult): void {
    if (this.copied(p, address, bytes.length, F.PROT_WRITE, actual)) this.store(p, address, bytes);
    else this.maybeStored(p, address, bytes.subarray(0, this.reach(p, address, bytes.length, F.PROT_WRITE).most));
  }

  private copied(p: ModelProcess, address: number, length: number, need: number, actual: CallResult): boolean {
    const { sure, most } = this.reach(p, address, length, need);
    const maybe = sure < length || this.scarce ? ['EFAULT' as const] : [];
    if (!this.judge(actual, [most < length && 'EFAULT'], maybe)) return false;
    if (actual !== length) throw new Mismatch(`copied ${actual} bytes, not ${length}`);
    return true;
  }

  /** Every page that was reached for writing has a copy of its own. */
  touched(p: ModelProcess, address: number, length: number): void {
    for (const { vpn } of piecesOf(address, length)) p.places.get(vpn)?.cell.maybeCopied();
  }

  // ---- files

  /** read and pread, from `at` in the file on. A bad buffer is EFAULT, whatever was moved before it. */
  read(p: ModelProcess, open: Open | null, at: number, address: number, length: number, actual: CallResult): boolean {
    if (open === null || (open.flags & 3) === F.O_WRONLY) return this.judge(actual, ['EBADF']);
    const count = Math.max(Math.min(length, open.file.size - at), 0);
    const done = this.copied(p, address, count, F.PROT_WRITE, actual);
    const stored = done ? count : this.reach(p, address, count, F.PROT_WRITE).most;
    for (const { from, to, size } of stretches(at, address, stored)) {
      const bytes = open.file
        .page(from.vpn)
        .values()
        .map((value) => value.slice(from.offset, from.offset + size));
      const cell = this.cell(p, to.vpn);
      if (done) cell.store(to.offset, bytes);
      else cell.maybeStore(to.offset, bytes);
    }
    return done;
  }

  /** write and pwrite. The file has its old length again when the buffer was bad. */
  write(p: ModelProcess, open: Open | null, at: number, address: number, length: number, actual: CallResult): boolean {
    if (open === null || (open.flags & 3) === F.O_RDONLY) return this.judge(actual, ['EBADF']);
    const { file } = open;
    const { size: oldSize } = file;
    if (length > 0 && at + length > oldSize) file.resize(at + length);
    const done = this.copied(p, address, length, F.PROT_READ, actual);
    const stored = done ? length : this.reach(p, address, length, F.PROT_READ).most;
    for (const { from: to, to: from, size } of stretches(at, address, stored)) {
      const bytes = this.cell(p, from.vpn)
        .values()
        .map((value) => value.slice(from.offset, from.offset + size));
      if (done) file.page(to.vpn).store(to.offset, bytes);
      else file.page(to.vpn).maybeStore(to.offset, bytes);
    }
    if (!done && file.size > oldSize) file.resize(oldSize);
    return done;
  }
}

interface Stretch {
  /** In the file. */
  readonly from: Piece;
  /** In memory. */
  readonly to: Piece;
  readonly size: number;
}

/** A transfer in the order in which it is made: each part lies in one page of the file and one of memory. */
function stretches(at: number, address: number, length: number): Stretch[] {
  return piecesOf(at, length).flatMap((from) =>
    piecesOf(address + from.at, from.length).map((to) => ({
      from: { ...from, offset: from.offset + to.at },
      to,
      size: to.length,
    })),
  );
}
