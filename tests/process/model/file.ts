/**
 * Files and descriptors of the model: the bytes of a file are its pages, which mappings show as they are.
 */
import { PAGE_SIZE } from '@faultline/core';
import { Cell, distinct, type Option, withBytes, ZEROS } from './cell.js';

/** A page of a file. Behind the end of the file, in its last page, there is what was stored or zeros: the kernel decides when. */
export class FilePage extends Cell {
  constructor(
    private readonly file: ModelFile,
    private readonly index: number,
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

  protected override candidates(): readonly Option[] {
    const { within, options } = this;
    if (within === PAGE_SIZE) return options;
    const cut = options.map((stored) => withBytes(stored as Uint8Array, within, ZEROS.subarray(within)));
    return distinct([...options, ...cut]);
  }
}

export class ModelFile {
  private readonly pages = new Map<number, FilePage>();
  size: number;

  constructor(
    readonly path: string,
    contents: Uint8Array,
  ) {
    this.size = contents.length;
    for (let at = 0; at < contents.length; at += PAGE_SIZE) {
      this.page(at / PAGE_SIZE).store(0, [contents.subarray(at, at + PAGE_SIZE)]);
    }
  }

  page(index: number): FilePage {
    const page = this.pages.get(index) ?? new FilePage(this, index);
    this.pages.set(index, page);
    return page;
  }

  /** ftruncate, and what write does to the length: nothing from beyond either end comes back. */
  resize(bytes: number): void {
    const end = Math.min(bytes, this.size);
    for (const [index, page] of this.pages) {
      const from = Math.max(end - index * PAGE_SIZE, 0);
      if (from < PAGE_SIZE) page.store(from, [ZEROS.subarray(from)]);
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
