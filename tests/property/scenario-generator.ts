/**
 * Random scenario scripts, in the manner of the random conformance cases: a machine, two or three mappings, forks, accesses, every call, and
 * the state of everything at the end.
 *
 * A script is a list of lines. Any line can be left out with those that speak of what it made, so a failing script is shrunk by
 * leaving out lines and seeing whether the rest can still be read.
 */
import { PAGE_SIZE, protName } from '@faultline/core';

/** A small generator of numbers (mulberry32): the same seed gives the same script anywhere. */
export class Dice {
  constructor(private state: number) {}

  /** A whole number from 0 to `below` - 1. */
  roll(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.roll(choices.length)] as T;
  }

  chance(oneIn: number): boolean {
    return this.roll(oneIn) === 0;
  }
}

const NAMES = 'ABCDEFGH';
const FIRST_PAGE = 16;
const hex = (n: number): string => `0x${n.toString(16)}`;

interface Mapping {
  readonly page: number;
  readonly pages: number;
}

class Author {
  readonly lines: string[] = [];
  private readonly alive: string[] = [];
  private readonly mappings: Mapping[] = [];
  private born = 0;
  private nextPage = FIRST_PAGE;
  private files = 0;

  constructor(
    private readonly dice: Dice,
    seed: number,
  ) {
    this.lines.push(`# random scenario, seed ${seed}`);
  }

  write(operations: number): string[] {
    const { dice } = this;
    this.lines.push(`memory ${dice.pick([80, 90, 100, 150, 300]) + dice.roll(20)}`);
    this.lines.push(`swap ${dice.pick([0, 24, 256, 256])}`);
    for (let i = dice.roll(3); i > 0; i--) this.lines.push(`file f${this.files++} ${dice.roll(40 * PAGE_SIZE)}`);
    if (dice.chance(4)) this.lines.push('device dev 5');
    this.spawn();
    for (let i = 2 + dice.roll(3); i > 0; i--) this.map('A');
    for (let i = 0; i < operations; i++) this.operation();
    this.dumpAll();
    return this.lines;
  }

  private spawn(): void {
    const name = NAMES[this.born++] as string;
    this.alive.push(name);
    this.lines.push(`proc ${name}`);
  }

  /** Behind the last mapping, most often with a gap: scripts map over older ranges only now and then. */
  private map(process: string): void {
    const { dice } = this;
    const pages = 1 + dice.roll(dice.chance(3) ? 40 : 16);
    const over = this.mappings.length > 0 && dice.chance(6);
    const page = over ? this.somewhere().page : this.nextPage + dice.roll(3);
    if (!over) this.nextPage = page + pages;
    this.mappings.push({ page, pages });
    const prot = protName(dice.chance(4) ? dice.roll(8) : 3);
    const sharing = dice.chance(3) ? 'shared' : 'private';
    this.lines.push(`${process} map ${hex(page * PAGE_SIZE)} ${this.whatToMap(pages)}${sharing} ${prot}`);
  }

  private whatToMap(pages: number): string {
    const { dice } = this;
    if (this.files === 0 || dice.chance(2)) return `${pages} anon `;
    return `${pages} file f${dice.roll(this.files)} ${dice.roll(6)} `;
  }

  /** A range that most often lies in something that was mapped. */
  private somewhere(): Mapping {
    const { dice } = this;
    const { page, pages } = dice.pick(this.mappings);
    const from = dice.roll(pages);
    return { page: page + from, pages: 1 + dice.roll(Math.min(24, pages - from + 2)) };
  }

  private operation(): void {
    const { dice } = this;
    if (this.alive.length === 0) {
      if (this.born === NAMES.length) return;
      this.spawn();
      this.map(this.alive[0] as string);
    }
    const process = dice.pick(this.alive);
    const { page, pages } = this.somewhere();
    const range = `${hex(page * PAGE_SIZE)} ${pages}`;
    const turn = dice.roll(36);
    if (turn < 8) this.lines.push(`${process} read ${range}`);
    else if (turn < 18) this.lines.push(`${process} write ${range} = ${hex(dice.roll(256))}`);
    else if (turn < 20) this.lines.push(`${process} byte ${hex(page * PAGE_SIZE + dice.roll(PAGE_SIZE))}`);
    else if (turn < 23) this.fork(process);
    else if (turn < 24) this.exit(process);
    else if (turn < 25) this.map(process);
    else if (turn < 27) this.lines.push(`pageout ${dice.roll(90)}`);
    else this.lines.push(`${process} ${this.call(range)}`);
  }

  private call(range: string): string {
    const { dice } = this;
    switch (dice.roll(9)) {
      case 0:
        return `unmap ${range}`;
      case 1:
      case 2:
        return `protect ${range} ${protName(dice.chance(3) ? dice.roll(8) : 3)}`;
      case 3:
        return `inherit ${range} ${dice.pick(['share', 'copy', 'none'])}`;
      case 4:
        return `wire ${range}`;
      case 5:
        return `unwire ${range}`;
      case 6:
        return `sync ${range}`;
      default:
        return `advise ${range} ${dice.pick(['normal', 'random', 'sequential', 'willneed', 'dontneed', 'free'])}`;
    }
  }

  private fork(parent: string): void {
    if (this.born === NAMES.length) return;
    const child = NAMES[this.born++] as string;
    this.alive.push(child);
    this.lines.push(`fork ${parent} ${child}`);
  }

  private exit(process: string): void {
    this.alive.splice(this.alive.indexOf(process), 1);
    this.lines.push(`exit ${process}`);
  }

  private dumpAll(): void {
    for (const process of this.alive) {
      this.lines.push(`${process} pmap`, `${process} entries`, `usage ${process}`);
      for (const { page } of this.mappings) this.lines.push(`${process} backing ${hex(page * PAGE_SIZE)}`);
    }
    this.lines.push('queues', 'counters');
  }
}

/** A script of about so many commands, as lines. */
export function randomScenario(seed: number, operations: number): string[] {
  return new Author(new Dice(seed), seed).write(operations);
}
