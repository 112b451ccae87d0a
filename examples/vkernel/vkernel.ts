/**
 * A small guest kernel inside one DragonFly process, as DragonFly's own vkernel ran.
 *
 *      guest RAM, a file of the host       mapped once linearly      the guest kernel's own view: frame n at RAM + n pages
 *                                          mapped once as a          the guest program's view: whatever the guest's tables say
 *                                          virtual page table
 *
 * The guest keeps its page tables in its RAM and writes them with ordinary stores. To switch to another address space it gives the second
 * mapping another master entry (mcontrol, MADV_SETMAP). A program's access that the guest's tables do not allow comes back from the host's
 * fault handler as KERN_FAILURE; the guest then takes a page fault of its own, finds a frame, writes an entry, drops the old
 * translation (MADV_INVAL), and the access is tried again.
 *
 * Each fault leaves a story: what the host's handler did, branch by branch, and what the guest did in answer.
 */
import {
  ACCESS_READ,
  ACCESS_WRITE,
  type Access,
  bootDragonfly,
  DRAGONFLY_BRANCHES,
  type DragonflySystem,
  dragonfly,
  MemoryStore,
  type VmProcess,
} from '@faultline/core';

const PAGE = 4096;
const READ_WRITE = 3;
const { VPTE_V, VPTE_R, VPTE_W } = dragonfly;
/** Index bits of a level, and levels: 36 bits of page number. */
const LEVEL_BITS = 9;
const LEVELS = 4;

/** Where the host maps guest RAM for the guest kernel, and where guest programs live. Bytes. */
export const RAM = 0x10000000;
export const USER = 0x40000000;

/** One address space of the guest: the frame of its top table. */
export interface GuestSpace {
  readonly name: string;
  readonly root: number;
}

export class GuestKernel {
  readonly host: DragonflySystem;
  readonly process: VmProcess;
  /** What happened, a line a step. */
  readonly story: string[] = [];
  private nextFrame = 1;
  private current: GuestSpace | null = null;

  /** @param frames pages of guest RAM; frame 0 is never used, so that an empty entry names none */
  constructor(private readonly frames: number) {
    this.host = bootDragonfly({ memoryPages: 1024 });
    this.process = this.host.spawn('vkernel');
    const store = new MemoryStore();
    store.truncate(frames * PAGE);
    const file = this.host.createFile('guest-ram', store);
    const backing = { kind: 'file', file, offset: 0 } as const;
    const common = { length: frames * PAGE, protection: READ_WRITE, sharing: 'shared', backing, fixed: true } as const;
    this.host.map(this.process, { ...common, address: RAM });
    dragonfly.mapWith(this.host, this.process, { ...common, address: USER }, { vpagetable: true });
    this.host.vm.listener = {
      branch: (id) => this.story.push(`    host ${id}: ${DRAGONFLY_BRANCHES[id].say}`),
      stage: () => {},
    };
  }

  /** A new, empty address space. */
  createSpace(name: string): GuestSpace {
    return { name, root: this.allocateFrame() };
  }

  /** Makes a space the one that programs see. */
  switchTo(space: GuestSpace): void {
    this.current = space;
    const master = { high: 0, low: space.root * PAGE + (VPTE_V | VPTE_R | VPTE_W) };
    dragonfly.setMap(this.host, this.process, USER, this.frames * PAGE, master);
    this.story.push(`guest: switches to ${space.name}`);
  }

  /** A program stores a byte at `address` (from 0) of the current space. */
  store(address: number, value: number): void {
    this.bytes(this.userAccess(address, ACCESS_WRITE))[address % PAGE] = value;
  }

  /** A program loads a byte. */
  load(address: number): number {
    return this.bytes(this.userAccess(address, ACCESS_READ))[address % PAGE] as number;
  }

  /** The entry of a page in a space's last table, as the guest kernel reads it; 0 when a directory is missing. */
  entry(space: GuestSpace, page: number): number {
    let table = space.root;
    for (let level = LEVELS - 1; level > 0; level--) {
      const word = this.loadWord(table, indexAt(page, level));
      if (word === 0) return 0;
      table = word >>> 12;
    }
    return this.loadWord(table, indexAt(page, 0));
  }

  // ---- the program's side

  private userAccess(address: number, access: Access): number {
    const page = Math.floor(address / PAGE);
    const vpn = USER / PAGE + page;
    for (let tries = 0; tries < 4; tries++) {
      const frame = this.host.translate(this.process, vpn, access);
      if (frame >= 0) return frame;
      this.story.push(`${this.current?.name} ${access === ACCESS_WRITE ? 'writes' : 'reads'} page ${page}`);
      const code = this.host.fault(this.process, vpn, access);
      this.story.push(`  host fault: ${this.host.faultCodeName(code)}`);
      if (code !== this.host.faultSuccess) this.guestFault(page);
    }
    throw new Error(`guest page ${page} cannot be reached`);
  }

  /** The guest's own page fault: a frame, an entry for it, and the old translation away. */
  private guestFault(page: number): void {
    const space = this.current as GuestSpace;
    const frame = this.allocateFrame();
    let table = space.root;
    for (let level = LEVELS - 1; level > 0; level--) table = this.directory(table, indexAt(page, level));
    this.storeWord(table, indexAt(page, 0), frame * PAGE + (VPTE_V | VPTE_R | VPTE_W));
    dragonfly.adviseWith(this.host, this.process, USER + page * PAGE, PAGE, 'inval');
    this.story.push(`  guest fault: gives ${space.name} frame ${frame} as page ${page}`);
  }

  /** The table that a directory entry names, made if there is none. */
  private directory(table: number, index: number): number {
    const word = this.loadWord(table, index);
    if (word !== 0) return word >>> 12;
    const frame = this.allocateFrame();
    this.storeWord(table, index, frame * PAGE + (VPTE_V | VPTE_R | VPTE_W));
    return frame;
  }

  private allocateFrame(): number {
    if (this.nextFrame === this.frames) throw new Error('the guest is out of memory');
    return this.nextFrame++;
  }

  // ---- ordinary loads and stores of the guest kernel in its RAM

  private loadWord(frame: number, index: number): number {
    return this.view(frame, ACCESS_READ).getUint32(index * 8, true);
  }

  private storeWord(frame: number, index: number, low: number): void {
    this.view(frame, ACCESS_WRITE).setUint32(index * 8, low, true);
  }

  private view(frame: number, access: Access): DataView {
    const vpn = RAM / PAGE + frame;
    let host = this.host.translate(this.process, vpn, access);
    if (host < 0) {
      this.host.fault(this.process, vpn, access);
      host = this.host.translate(this.process, vpn, access);
    }
    const bytes = this.bytes(host);
    return new DataView(bytes.buffer, bytes.byteOffset, PAGE);
  }

  private bytes(frame: number): Uint8Array {
    return this.host.frameBytes(frame) as Uint8Array;
  }
}

/** Index of a page in its table of a level; level 0 is the last. */
function indexAt(page: number, level: number): number {
  return Math.floor(page / 2 ** (level * LEVEL_BITS)) % 2 ** LEVEL_BITS;
}
