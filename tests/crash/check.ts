/**
 * What may be in a file after its process was killed.
 *
 * A sector (512 bytes, what a disk writes whole) may be as it was at the last msync or fsync that covered it and returned, or as any store since has made it,
 * up to the one in progress. So for each sector the versions since then are kept, and the file is held against them.
 */
import type { Operation } from './plan.js';
import { firstContents, operationsOf, PAGE } from './plan.js';

const SECTOR = 512;

export interface Verdict {
  /** Sectors that hold what was promised at the last msync, though newer stores were made. */
  readonly old: number;
  /** Sectors that hold a store that nobody had promised yet. */
  readonly unpromised: number;
  readonly sectors: number;
  readonly wrong: readonly string[];
}

/** One file, sector by sector. */
class Expected {
  private readonly now: Uint8Array;
  /** The versions of each sector since it was last promised, the promised one first. */
  private readonly versions: Uint8Array[][] = [];

  constructor(readonly file: number) {
    this.now = firstContents(file);
    for (let at = 0; at < this.now.length; at += SECTOR) this.versions.push([this.now.slice(at, at + SECTOR)]);
  }

  get length(): number {
    return this.now.length;
  }

  store(offset: number, bytes: Uint8Array): void {
    // What lies behind the end of the file never gets there.
    const kept = bytes.subarray(0, Math.max(0, this.length - offset));
    if (kept.length === 0) return;
    this.now.set(kept, offset);
    const last = Math.floor((offset + kept.length - 1) / SECTOR);
    for (let sector = Math.floor(offset / SECTOR); sector <= last; sector++) {
      this.versions[sector]?.push(this.now.slice(sector * SECTOR, (sector + 1) * SECTOR));
    }
  }

  /** Bytes `from` to `to` are on disk. */
  promise(from: number, to: number): void {
    const last = Math.ceil(Math.min(to, this.length) / SECTOR);
    for (let sector = Math.floor(from / SECTOR); sector < last; sector++) {
      const versions = this.versions[sector] as Uint8Array[];
      versions.splice(0, versions.length - 1);
    }
  }

  check(found: Uint8Array): Verdict {
    const wrong: string[] = [];
    if (found.length !== this.length) wrong.push(`file ${this.file} has ${found.length} bytes, not ${this.length}`);
    let old = 0;
    let unpromised = 0;
    for (const [sector, versions] of this.versions.entries()) {
      const bytes = found.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      const at = versions.findLastIndex((version) => Buffer.compare(version, bytes) === 0);
      if (at < 0) wrong.push(`file ${this.file}, sector ${sector} is none of its ${versions.length} versions`);
      else if (at > 0) unpromised++;
      else if (versions.length > 1) old++;
    }
    return { old, unpromised, sectors: this.versions.length, wrong };
  }
}

function apply(files: readonly Expected[], operation: Operation, returned: boolean): void {
  if (operation.op === 'store') files[operation.file]?.store(operation.offset, operation.bytes);
  if (!returned) return;
  const file = 'file' in operation ? files[operation.file] : undefined;
  if (operation.op === 'msync') file?.promise(operation.from * PAGE, operation.to * PAGE);
  if (operation.op === 'fsync') file?.promise(0, file.length);
}

/** Holds the files against the operations of a seed, of which `done` had returned and one more may have begun. */
export function checkFiles(seed: number, done: number, found: readonly Uint8Array[]): Verdict {
  const files = found.map((_, i) => new Expected(i));
  const operations = operationsOf(seed);
  for (let i = 0; i < done; i++) apply(files, operations.next().value, true);
  apply(files, operations.next().value, false);
  const verdicts = files.map((file, i) => file.check(found[i] as Uint8Array));
  const sum = (pick: (verdict: Verdict) => number): number => verdicts.reduce((all, one) => all + pick(one), 0);
  return {
    old: sum((one) => one.old),
    unpromised: sum((one) => one.unpromised),
    sectors: sum((one) => one.sectors),
    wrong: verdicts.flatMap((one) => one.wrong),
  };
}
