/** Small builders for the tests of this room. Nothing in the product imports them. */
import type { BackingStore } from '../machine/store.js';
import type { Access } from '../machine/units.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { failed } from '../vm/errno.js';
import { PROT_READ, PROT_WRITE, type Prot } from '../vm/prot.js';
import type { MapBacking, Sharing, SystemOptions, VmFile } from '../vm/system.js';
import type { FreebsdProcess } from './process.js';
import { bootFreebsd, type FreebsdSystem } from './system.js';

export const RW = PROT_READ | PROT_WRITE;

/** A machine with one process, and short words for what tests do with it. Addresses are pages. */
export class Bench {
  readonly system: FreebsdSystem;
  readonly a: FreebsdProcess;

  constructor(options: SystemOptions = {}) {
    this.system = bootFreebsd({ memoryPages: 256, ...options });
    this.a = this.system.spawn('A');
  }

  get vm() {
    return this.system.vm;
  }

  file(store: BackingStore, name = 'F'): VmFile {
    return this.system.createFile(name, store);
  }

  /** Maps `pages` pages at page `at`; throws when refused. */
  map(
    at: number,
    pages: number,
    backing: MapBacking = { kind: 'anon' },
    sharing: Sharing = 'private',
    protection: Prot = RW,
    process = this.a,
  ): void {
    const address = at * PAGE_SIZE;
    const request = { address, length: pages * PAGE_SIZE, protection, sharing, backing, fixed: true };
    const result = this.system.map(process, request);
    if (failed(result)) throw new Error(`map was refused: ${result}`);
  }

  /** Makes one access; answers the byte's place in memory, or throws with the handler's code. */
  touch(vpn: number, access: Access = ACCESS_READ, process = this.a): Uint8Array {
    for (let tries = 0; tries < 8; tries++) {
      const frame = this.system.translate(process, vpn, access);
      if (frame >= 0) return this.system.frameBytes(frame) as Uint8Array;
      const code = this.system.fault(process, vpn, access);
      if (code !== this.system.faultSuccess) throw new Error(this.system.faultCodeName(code));
    }
    throw new Error('LOOP');
  }

  /** Stores a byte at the start of a page. */
  write(vpn: number, value: number, process = this.a): void {
    this.touch(vpn, ACCESS_WRITE, process)[0] = value;
  }

  /** The byte at the start of a page. */
  read(vpn: number, process = this.a): number {
    return this.touch(vpn, ACCESS_READ, process)[0] as number;
  }

  /** The entry's chain as `type/resident indexes` from the top. */
  chain(vpn: number, process = this.a): string[] {
    const layers = this.system.backing(process, vpn * PAGE_SIZE) ?? [];
    return layers.map((layer) => (layer.kind === 'object' ? `${layer.type}/${layer.resident.join(',')}` : '?'));
  }
}
