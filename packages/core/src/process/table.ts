/** The translation buffer of the machine's CPU, as one process sees it. */
import { TLB_TAG_BITS, type Tlb, tlbTag } from '../machine/tlb.js';
import { ACCESS_EXECUTE, ACCESS_READ, type Access } from '../machine/units.js';
import type { InlineTable } from './api.js';
import { checkAccess, checkAddress } from './arguments.js';
import type { ProcessCore } from './process-core.js';

export class ProcessTable implements InlineTable {
  readonly tags: Int32Array;
  readonly frames: Int32Array;
  readonly fetchAccess: Access;

  constructor(
    private readonly process: ProcessCore,
    tlb: Tlb,
    /** Brings the page in and answers the byte where it begins, or raises the signal. */
    private readonly bring: (address: number, access: Access) => number,
  ) {
    this.tags = tlb.tags;
    this.frames = tlb.frames;
    this.fetchAccess = process.core.name === 'csrg' ? ACCESS_READ : ACCESS_EXECUTE;
  }

  private get asn(): number {
    return this.process.core.system.machine.tables.asnOf(this.process.pmap);
  }

  get tagBase(): number {
    return this.asn << TLB_TAG_BITS;
  }

  tagOf(page: number): number {
    return tlbTag(this.asn, page);
  }

  miss(address: number, access: Access): number {
    checkAddress(address);
    checkAccess(access);
    return this.bring(address, access);
  }
}
