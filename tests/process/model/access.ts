/** Accesses of the model: loads and stores, stacks that grow by them, and the calls that move bytes between memory and files. */
import * as F from '@faultline/core';
import { must } from '../mismatch.js';
import { piecesOf } from '../pieces.js';
import type { Cell, Open } from './cell.js';
import { Model, type ModelProcess, type Numbers, type Place, STACK_STEP } from './model.js';

const cellOf = (p: ModelProcess, vpn: number): Cell => (p.places.get(vpn) as Place).cell;

/** The lowest page of a stack that may grow down to a page, if that is missing. */
function stackAbove(p: ModelProcess, vpn: number): Place | undefined {
  const above = Math.min(...[...p.places.keys()].filter((one) => one >= vpn));
  const place = p.places.get(above);
  return above > vpn && place !== undefined && place.room >= above - vpn ? place : undefined;
}

/** How an access came out: the signal with its code, and where. Null: it went through. */
export type Trap = { readonly why: string; readonly address: number } | null;

/** read, write, pread or pwrite, from `at` in the file on. */
export type Transfer = Numbers<'at' | 'address' | 'length'> & { readonly open: Open | null; readonly write: boolean };

export class AccessModel extends Model {
  /** What an access to a page may come to. */
  private outcomes(p: ModelProcess, vpn: number, need: number): readonly string[] {
    const { signals, allows, stackHides } = this.rules;
    const place = p.places.get(vpn);
    if (place === undefined) return [(stackAbove(p, vpn)?.sure ?? 0) > 0 ? 'a larger stack' : signals.missing];
    const { cell, prot } = place;
    const present = cell.present();
    const allowed = allows(prot, need);
    if (allowed !== true) {
      const refused = stackHides && vpn >= p.stackStart ? signals.missing : signals.protection;
      return allowed === 'translated' && present !== false ? ['ok', refused] : [refused];
    }
    return present === null ? ['ok', signals.pastEnd] : [present ? 'ok' : signals.pastEnd];
  }

  /** A stack that the system has made larger for a page: by whole steps, as far as there is room. */
  private grow(p: ModelProcess, vpn: number): void {
    const top = stackAbove(p, vpn);
    if (top === undefined || p.shows(vpn) === undefined) return;
    const step = Math.min(Math.ceil((top.vpn - vpn) / STACK_STEP) * STACK_STEP, top.room);
    let start = vpn;
    while (!p.places.has(start - 1) && p.shows(start - 1) !== undefined) start--;
    const count = top.vpn - start;
    must(count <= step && (count === step || top.sure === 0 || p.places.has(start - 1)), `a stack grew by ${count}`);
    const [room, sure] = [top.room - count, count === step ? Math.max(top.sure - count, 0) : 0];
    // What was above goes on growing only where this is gone again. Under MCL_FUTURE all of it is locked.
    const stack = [...p.places.values()].filter((place) => place.room === top.room);
    for (const place of stack) place.sure = 0;
    if (p.future) this.lock(stack);
    this.map(p, { start, count, prot: this.rules.grownProt || top.prot, max: top.max, room, sure });
    if (p.places.has(start - 1)) this.join(p, start, count);
  }

  /** How many bytes can be reached in any case, and how many perhaps; and the pieces that may stop an access, with all that they may come to. */
  private reach(p: ModelProcess, address: number, length: number, need: number) {
    for (const { vpn } of piecesOf(address, length)) this.grow(p, vpn);
    const pieces = [...piecesOf(address, length)].map(({ vpn, at }) => ({ at, outcomes: this.outcomes(p, vpn, need) }));
    const open = pieces.filter(({ outcomes }) => outcomes.join() !== 'ok');
    const most = open.find(({ outcomes }) => outcomes[0] !== 'ok')?.at ?? length;
    return { sure: open[0]?.at ?? length, most, stops: open.filter(({ at }) => at <= most) };
  }

  /** The trap must be the right one at the right place; whether the access went through. */
  trapped(p: ModelProcess, address: number, length: number, need: number, trap: Trap): boolean {
    const { most, stops } = this.reach(p, address, length, need);
    if (trap === null && most === length) return true;
    const right = stops.some(({ at, outcomes }) => trap?.address === address + at && outcomes.includes(trap.why));
    const expected = stops.map(({ at, outcomes }) => `${outcomes.join(' or ')} at ${address + at}`).join(', ');
    must(right || (this.scarce && trap?.why === 'SIGKILL NOMEM'), `${JSON.stringify(trap)}, not ${expected || null}`);
    return false;
  }

  see(p: ModelProcess, address: number, seen: Uint8Array): void {
    for (const { vpn, offset, at, length } of piecesOf(address, seen.length))
      cellOf(p, vpn).see(`page ${vpn}`, offset, seen.subarray(at, at + length));
  }

  /** Not `done`: the bytes may have been stored, or not. */
  store(p: ModelProcess, address: number, bytes: Uint8Array, done = true): void {
    for (const { vpn, offset, at, length } of piecesOf(address, bytes.length)) {
      cellOf(p, vpn).store(offset, [bytes.subarray(at, at + length)], done);
    }
  }

  /** Every page that was reached for writing may have a copy of its own. */
  touched(p: ModelProcess, address: number, length: number): void {
    for (const { vpn } of piecesOf(address, length)) p.places.get(vpn)?.cell.maybeCopied();
  }

  /** Whether the kernel has moved all; if not, how many bytes may have been. A bad buffer is EFAULT, whatever was moved before it. */
  copied(p: ModelProcess, address: number, length: number, need: number, actual: F.CallResult) {
    const { sure, most } = this.reach(p, address, length, need);
    const lack = this.scarce && (['EFAULT', 'ENOMEM'] as const);
    const done = this.judge(actual, [most < length && 'EFAULT'], [sure < length && 'EFAULT', lack]);
    must(!done || actual === length, `moved ${actual} bytes, not ${length}`);
    return { done, moved: most };
  }

  /** In the order in which it is made: each part lies in one page of the file and one of memory. */
  transfer(p: ModelProcess, { open, write, at, address, length }: Transfer, actual: F.CallResult): boolean {
    if (open === null || (open.flags & 3) === (write ? F.O_RDONLY : F.O_WRONLY)) return this.judge(actual, ['EBADF']);
    const oldSize = open.file.size;
    const count = write ? length : Math.max(Math.min(length, oldSize - at), 0);
    if (count > 0 && at + count > oldSize) open.file.resize(at + count);
    const { done, moved } = this.copied(p, address, count, write ? F.PROT_READ : F.PROT_WRITE, actual);
    for (const inFile of piecesOf(at, moved)) {
      for (const { vpn, offset, at: from, length: size } of piecesOf(address + inFile.at, inFile.length)) {
        const page = { cell: open.file.page(inFile.vpn), offset: inFile.offset + from };
        const place = { cell: cellOf(p, vpn), offset };
        const [source, target] = write ? [place, page] : [page, place];
        const bytes = source.cell.values().map((value) => value.subarray(source.offset, source.offset + size));
        target.cell.store(target.offset, bytes, done);
      }
    }
    // The file has its old length again when the buffer was bad.
    if (!done && open.file.size > oldSize) open.file.resize(oldSize);
    return done;
  }
}
