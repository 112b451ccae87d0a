/**
 * Files and descriptors of the model: the bytes of a file are its pages, which mappings show as they are.
 */
import { PAGE_SIZE } from '@faultline/core';
import { Cell, distinct, withBytes, ZEROS } from './cell.js';

/** A page of a file. Behind the end of the file, in its last page, there is what was stored or zeros: the kernel decides when. */
export class FilePage extends Cell {
  constructor(
    readonly file: ModelFile,
    readonly index: number,
  ) {
    super();
  }

  /** Bytes of it that are within the file. */
  private get within(): number {
    return Math.min(Math.max(this.file.size - this.index * PAGE_SIZE, 0), PAGE_SIZE);
  }

  override present(): boolean {
    return this.within > 0;
  }

  override values(): readonly Uint8Array[] {
    const { within } = this;
    const stored = super.values();
    if (within === PAGE_SIZE) return stored;
    return distinct([...stored, ...stored.map((value) => withBytes(value, within, ZEROS.subarray(within)))]);
  }

  override see(offset: number, seen: Uint8Array): void {
    this.open();
    super.see(offset, seen);
  }

  override store(offset: number, candidates: readonly Uint8Array[]): void {
    this.open();
    super.store(offset, candidates);
  }

  /** Lists what the end of the last page may contain by now. */
  private open(): void {
    if (this.within === PAGE_SIZE) return;
    const values = this.values();
    if (values.length > this.options.length) this.become(values);
  }

  /** From `offset` on there are zeros: the file ends here now, or goes on from here. */
  cut(offset: number): void {
    super.store(offset, [ZEROS.subarray(offset)]);
  }
}

export class ModelFile {
  private readonly pages = new Map<number, FilePage>();
  /** Whether it has its name still. */
  named = true;
  size: number;

  constructor(
    readonly path: string,
    contents: Uint8Array,
  ) {
    this.size = contents.length;
    for (let at = 0; at < contents.length; at += PAGE_SIZE) {
      this.page(at / PAGE_SIZE).store(0, [contents.slice(at, at + PAGE_SIZE)]);
    }
  }

  page(index: number): FilePage {
    let page = this.pages.get(index);
    if (page === undefined) {
      page = new FilePage(this, index);
      this.pages.set(index, page);
    }
    return page;
  }

  /** ftruncate, and what write does to the length: nothing from beyond either end comes back. */
  resize(bytes: number): void {
    const end = Math.min(bytes, this.size);
    for (const [index, page] of this.pages) {
      const from = end - index * PAGE_SIZE;
      if (from < PAGE_SIZE) page.cut(Math.max(from, 0));
    }
    this.size = bytes;
  }
}

/** An open file, which descriptors of several processes may refer to. */
export interface Open {
  readonly file: ModelFile;
  readonly flags: number;
  position: number;
}
