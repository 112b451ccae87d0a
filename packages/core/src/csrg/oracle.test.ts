/**
 * Random programs against a model in which nothing is ever shared by trick: every page of every process has a view of its own, and fork
 * copies what must be copied at once. Mended, the kernel must show the same bytes at every load, whatever was paged out in between.
 */
import { expect, test } from 'vitest';
import { load, map, store } from '../../../../tests/csrg-tools.js';
import { KernelHang } from '../kernel/errors.js';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { Inheritance, VmFile } from '../vm/system.js';
import type { CsrgProcess } from './process.js';
import { bootCsrg, type CsrgSystem } from './system.js';

/** What a page shows: a value of its own, or a page of the file as it is now. */
interface View {
  own: number | null;
  readonly file: { value: number } | null;
  /** A store goes to the file itself. */
  readonly through: boolean;
}

interface Page {
  readonly view: View;
  writable: boolean;
  inherit: Inheritance;
}

type Space = Map<number, Page>;

const FIRST = 16;
const PAGES = 24;
const FILE_PAGES = 12;

class Model {
  readonly spaces = new Map<CsrgProcess, Space>();
  readonly filePages = Array.from({ length: FILE_PAGES }, (_, page) => ({ value: page + 1 }));

  value(view: View): number {
    return view.own ?? view.file?.value ?? 0;
  }

  store(view: View, value: number): void {
    if (view.through && view.file !== null) view.file.value = value;
    else view.own = value;
  }

  /** A view for a child that is to have a copy: of a shared file as it is now, of a private one as it will be until written. */
  copy(view: View): View {
    if (view.through) return { own: this.value(view), file: null, through: false };
    return { own: view.own, file: view.file, through: false };
  }

  fork(parent: CsrgProcess, child: CsrgProcess): void {
    const space: Space = new Map();
    for (const [vpn, page] of this.spaces.get(parent) as Space) {
      if (page.inherit === 'none') continue;
      const view = page.inherit === 'share' ? page.view : this.copy(page.view);
      space.set(vpn, { ...page, view });
    }
    this.spaces.set(child, space);
  }
}

class Program {
  readonly system: CsrgSystem;
  readonly model = new Model();
  readonly file: VmFile;
  private state: number;
  private born = 0;

  constructor(seed: number) {
    this.state = seed;
    this.system = bootCsrg({ memoryPages: 40, swapPages: 4096, defects: 'mended' });
    const bytes = new Uint8Array(FILE_PAGES * PAGE_SIZE).map((_, at) => (at >> 12) + 1);
    this.file = this.system.createFile('F', new MemoryStore(bytes));
    this.model.spaces.set(this.system.spawn('P'), new Map());
  }

  private random(below: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) | 0;
    return (this.state >>> 8) % below;
  }

  step(): void {
    const processes = [...this.model.spaces.keys()];
    const process = processes[this.random(processes.length)] as CsrgProcess;
    const space = this.model.spaces.get(process) as Space;
    const vpn = FIRST + this.random(PAGES);
    const pages = 1 + this.random(6);
    const what = this.random(100);
    if (what < 30) this.load(process, space, vpn);
    else if (what < 60) this.store(process, space, vpn);
    else if (what < 72) this.map(process, space, vpn, pages);
    else if (what < 76) this.protect(process, space, vpn, pages);
    else if (what < 80) this.inherit(process, space, vpn, pages);
    else if (what < 88) this.system.pageout(this.random(12));
    else if (what < 95) this.fork(process);
    else if (processes.length > 1) this.exit(process);
  }

  private load(process: CsrgProcess, space: Space, vpn: number): void {
    const page = space.get(vpn);
    if (page !== undefined) expect(load(this.system, process, vpn)).toBe(this.model.value(page.view));
  }

  private store(process: CsrgProcess, space: Space, vpn: number): void {
    const page = space.get(vpn);
    if (page?.writable !== true) return;
    const value = this.random(256);
    store(this.system, process, vpn, value);
    this.model.store(page.view, value);
  }

  private map(process: CsrgProcess, space: Space, vpn: number, pages: number): void {
    const shared = this.random(2) === 0;
    const first = this.random(3) === 0 ? this.random(FILE_PAGES - 6) : -1;
    const backing =
      first < 0 ? ({ kind: 'anon' } as const) : ({ kind: 'file', file: this.file, offset: first * PAGE_SIZE } as const);
    map(this.system, process, vpn, pages, backing, shared ? 'shared' : 'private');
    for (let i = 0; i < pages; i++) {
      const file = first < 0 ? null : (this.model.filePages[first + i] as { value: number });
      const view: View = { own: null, file, through: shared && file !== null };
      space.set(vpn + i, { view, writable: true, inherit: shared ? 'share' : 'copy' });
    }
  }

  private protect(process: CsrgProcess, space: Space, vpn: number, pages: number): void {
    const writable = this.random(2) === 0;
    this.system.protect(process, vpn * PAGE_SIZE, pages * PAGE_SIZE, writable ? 3 : 1);
    this.each(space, vpn, pages, (page) => {
      page.writable = writable;
    });
  }

  private inherit(process: CsrgProcess, space: Space, vpn: number, pages: number): void {
    const how = (['share', 'copy', 'none'] as const)[this.random(3)] as Inheritance;
    this.system.inherit(process, vpn * PAGE_SIZE, pages * PAGE_SIZE, how);
    this.each(space, vpn, pages, (page) => {
      page.inherit = how;
    });
  }

  private each(space: Space, vpn: number, pages: number, act: (page: Page) => void): void {
    for (let i = vpn; i < vpn + pages; i++) {
      const page = space.get(i);
      if (page !== undefined) act(page);
    }
  }

  private fork(process: CsrgProcess): void {
    if (this.model.spaces.size > 4) return;
    this.model.fork(process, this.system.fork(process, `C${this.born++}`) as CsrgProcess);
  }

  private exit(process: CsrgProcess): void {
    this.system.exit(process);
    this.model.spaces.delete(process);
  }
}

test('every load shows what a machine without tricks would show', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const program = new Program(seed);
    for (let operation = 0; operation < 500; operation++) {
      try {
        program.step();
      } catch (error) {
        if (error instanceof KernelHang) break;
        throw new Error(`seed ${seed}, operation ${operation}: ${error}`, { cause: error });
      }
    }
    program.system.check();
  }
});
