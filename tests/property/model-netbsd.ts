/**
 * The reference model with the memory calls of NetBSD: what they refuse, and with which errno.
 *
 * Two things are more open than elsewhere, because the hardware is: whatever has a translation can be read, so a page whose permission
 * to read or execute was taken may still answer until its translation goes. And one is less: a fork leaves the parent as it was unless
 * it has anonymous pages to protect.
 */
import type { Access, Advice, CallResult, MapRequest, Prot } from '@faultline/core';
import { ACCESS_WRITE, PAGE_SIZE, PROT_OF_ACCESS, PROT_READ, PROT_WRITE } from '@faultline/core';
import { Content } from './content.js';
import type { Bytes, ModelProcess, Outcome, PageRange, Place, WireLimits } from './model.js';
import { gap, insist, isWhole, MAX_PAGE, MIN_PAGE, Model, pagesOf, placesIn } from './model.js';

/** The page range of a call, or null when it wraps or leaves user space. */
function callRange({ address, length }: Bytes): PageRange | null {
  const range = pagesOf(address, length);
  return range === null || range.end > MAX_PAGE ? null : range;
}

/** The same without what no map reaches. */
function inMap({ start, end }: PageRange): PageRange {
  return { start: Math.max(start, MIN_PAGE), end };
}

/** What lies at the bottom of a page's contents: mostly nothing, or the page of a file. */
function bottomOf(content: Content): Content {
  let bottom = content;
  while (bottom.base !== null) bottom = bottom.base;
  return bottom;
}

/** A copy of a device's mapping: the device refuses every fault on it. */
function copiesDevice({ content }: Place): boolean {
  return content !== null && content.kind === 'anon' && bottomOf(content).kind === 'device';
}

/** A copy made now. Without it, after advice to free it, the file's page shows again: the lower layer stays what it was. */
function copyAboveFile(content: Content): Content {
  const copy = content.copyNow();
  const file = bottomOf(content);
  if (file.kind === 'file' && file !== content) bottomOf(copy).base = file;
  return copy;
}

export class NetbsdModel extends Model {
  protected override readonly dataProtection: Prot = PROT_READ | PROT_WRITE;

  // ---- fork

  protected override copyPlace(child: ModelProcess, vpn: number, place: Place): void {
    const { content } = place;
    if (content !== null && content.kind === 'anon') {
      if (place.wired || content.holders > 1) {
        this.put(child, vpn, { ...place, wired: false, cow: true, content: this.copyOfShared(content) });
      } else super.copyPlace(child, vpn, place);
      return;
    }
    // A file, a device: the child copies what it writes, the parent is not touched.
    this.put(child, vpn, { ...place, wired: false, cow: true, content: content?.derive() ?? null });
  }

  /** The parent, or those who share with it, may write at once: the child gets what is there now; where nothing is, what lies beneath. */
  private copyOfShared(content: Content): Content {
    return content.own === null ? new Content(content.base) : copyAboveFile(content);
  }

  // ---- mappings

  override map(process: ModelProcess, request: MapRequest, actual: CallResult) {
    const { backing, fixed } = request;
    const offset = backing.kind === 'anon' ? 0 : backing.offset;
    const remainder = offset % PAGE_SIZE;
    const address = request.address - (fixed ? remainder : 0);
    if (address < 0) return insist(actual, 'EINVAL', 'the address lies before the first');
    if (request.length === 0) return insist(actual, request.address, 'mmap of nothing succeeds');
    const pages = Math.ceil((request.length + remainder) / PAGE_SIZE);
    const end = address + pages * PAGE_SIZE;
    const wraps = end > Number.MAX_SAFE_INTEGER || offset + pages * PAGE_SIZE > Number.MAX_SAFE_INTEGER;
    if (wraps) return insist(actual, 'EOVERFLOW', 'the range wraps');
    if (fixed && end > MAX_PAGE * PAGE_SIZE) return insist(actual, 'EFBIG', 'not all of it is user space');
    if (fixed && address % PAGE_SIZE !== 0) return insist(actual, 'EINVAL', 'the place is not aligned');
    const start = fixed ? address / PAGE_SIZE : this.freePlace(process, Math.ceil(address / PAGE_SIZE), pages);
    if (start === null) return insist(actual, 'ENOMEM', 'there is no gap of that length');
    this.enter(process, request, { start, end: start + pages }, actual, remainder);
  }

  /** At or above the wish, then at or above the usual place, then anywhere. */
  private freePlace(process: ModelProcess, wish: number, pages: number): number | null {
    const { mmapBase } = this.rules;
    return (
      gap(process, wish === 0 ? mmapBase : wish, pages) ??
      gap(process, mmapBase, pages) ??
      gap(process, MIN_PAGE, pages)
    );
  }

  /** What was there is gone, even when what follows fails. */
  private enter(process: ModelProcess, request: MapRequest, range: PageRange, actual: CallResult, remainder: number) {
    const { backing } = request;
    const { start, end } = range;
    this.remove(process, range);
    const first = backing.kind === 'anon' ? 0 : Math.floor(backing.offset / PAGE_SIZE);
    if (backing.kind === 'device' && first + end - start > backing.device.pages) {
      return insist(actual, 'EINVAL', 'a device is mapped within its length');
    }
    if (start < MIN_PAGE) return insist(actual, 'ENOMEM', 'no map reaches there');
    if (this.lacksMemory(actual)) return;
    insist(actual, start * PAGE_SIZE + remainder, 'the mapping can be made');
    const sharing = backing.kind === 'device' ? 'shared' : request.sharing;
    for (let i = 0; i < end - start; i++) {
      this.put(process, start + i, this.newPlace({ ...request, sharing }, first + i));
    }
  }

  override unmap(process: ModelProcess, bytes: Bytes, actual: CallResult) {
    const range = callRange(bytes);
    if (range === null) return insist(actual, 'EINVAL', 'not all of it is user space');
    insist(actual, 0, 'munmap passes over holes');
    if (bytes.length > 0) this.remove(process, range);
  }

  override protect(process: ModelProcess, bytes: Bytes, asked: Prot, actual: CallResult) {
    const range = callRange(bytes);
    if (range === null) return insist(actual, 'EINVAL', 'not all of it is user space');
    insist(actual, 0, 'every maximum is all permissions, and mprotect passes over holes');
    for (const [, place] of placesIn(process, inMap(range))) place.prot = asked & 7;
  }

  override inherit(process: ModelProcess, bytes: Bytes, how: Place['inherit'], actual: CallResult) {
    const range = callRange(bytes);
    if (range === null) return insist(actual, 'EINVAL', 'not all of it is user space');
    insist(actual, 0, 'minherit passes over holes');
    for (const [, place] of placesIn(process, inMap(range))) place.inherit = how;
  }

  override brk(process: ModelProcess, address: number, actual: CallResult): void {
    if (!this.lacksMemory(actual)) super.brk(process, address, actual);
  }

  /** The amap of shared memory and of the data segment is made at once; a test may have refused it. */
  private lacksMemory(actual: CallResult): boolean {
    return this.troubled && actual === 'ENOMEM';
  }

  // ---- cleaning

  override advise(process: ModelProcess, bytes: Bytes, advice: Advice, actual: CallResult) {
    const range = callRange(bytes);
    if (range === null) return insist(actual, 'EINVAL', 'not all of it is user space');
    if (advice !== 'dontneed' && advice !== 'free') return insist(actual, 0, 'this advice passes over holes');
    const cleaned = inMap(range);
    // Nothing at all, in the middle of what is wired: whether its entry begins here the model does not know.
    if (cleaned.start >= cleaned.end && process.places.get(cleaned.start)?.wired && actual === 'EBUSY') return;
    const refusal = this.cleanRefusal(process, cleaned, advice === 'free');
    if (refusal !== null) return insist(actual, refusal, 'a hole, or wired pages that cannot be given up');
    if (this.excuses(actual)) return;
    insist(actual, 0, 'all of it is mapped');
    if (advice !== 'free') return;
    for (const [, { content, wired }] of placesIn(process, cleaned)) {
      if (content !== null && content.kind === 'anon' && content.holders === 1 && !wired) content.mayVanish(false);
    }
  }

  /** As seeded it is the first page that is asked whether it is wired, mended each. */
  private cleanRefusal(process: ModelProcess, { start, end }: PageRange, free: boolean): CallResult | null {
    const first = process.places.get(start);
    if (first === undefined) return 'EFAULT';
    for (let vpn = start; vpn < end; vpn++) {
      const place = process.places.get(vpn);
      if (place === undefined) return 'EFAULT';
      if (free && (this.asSeeded ? first : place).wired) return 'EBUSY';
    }
    return null;
  }

  override sync(process: ModelProcess, bytes: Bytes, actual: CallResult, troubled: boolean): Content[] {
    const range = callRange(bytes);
    if (range === null || (bytes.length === 0 && !process.places.has(range.start))) {
      insist(actual, 'EINVAL', 'not user space, or nothing and nowhere');
      return [];
    }
    // A length of 0 means the whole entry, whose ends the model does not know: at least the page itself is flushed.
    const flushed = bytes.length === 0 ? { start: range.start, end: range.start + 1 } : inMap(range);
    const refusal = this.cleanRefusal(process, flushed, false);
    if (refusal !== null) {
      insist(actual, refusal, 'msync wants all of the range mapped');
      return [];
    }
    if (troubled && this.excuses(actual)) return [];
    insist(actual, 0, 'all of the range is mapped');
    return placesIn(process, flushed).flatMap(([, { content }]) => (content?.kind === 'file' ? [content] : []));
  }

  // ---- wiring

  override wire(process: ModelProcess, bytes: Bytes, actual: CallResult, limits: WireLimits) {
    const asked = callRange(bytes);
    if (asked === null) return insist(actual, 'EINVAL', 'not all of it is user space');
    if (asked.end - asked.start + limits.wired > limits.most)
      return insist(actual, 'EAGAIN', 'too much would be wired');
    const range = inMap(asked);
    if (range.start >= range.end) return insist(actual, 0, 'nothing to wire');
    if (!process.places.has(range.start)) return insist(actual, 'ENOMEM', 'nothing is mapped at the start');
    const places = placesIn(process, range).map(([, place]) => place);
    if (!isWhole(process, range) || places.some(({ prot }) => prot === 0)) {
      return insist(actual, 'EINVAL', 'a hole, or pages without any permission');
    }
    const refusal = wireRefusal(places);
    const excused = (limits.scarce && actual === 'ENOMEM') || this.excuses(actual);
    if (refusal !== null || excused) {
      if (!excused) insist(actual, refusal as CallResult, 'a page that cannot be had');
      for (const { content } of places) content?.maybeMaterialise();
      return;
    }
    insist(actual, 0, 'all of it is mapped and can be had');
    for (const place of places) {
      // Whatever the maximum lets be written is copied now.
      if (!place.wired) place.content?.materialise();
      place.wired = true;
    }
  }

  override unwire(process: ModelProcess, bytes: Bytes, actual: CallResult) {
    const asked = callRange(bytes);
    if (asked === null) return insist(actual, 'EINVAL', 'not all of it is user space');
    const range = inMap(asked);
    if (range.start >= range.end) return insist(actual, 0, 'nothing to unwire');
    if (!process.places.has(range.start)) return insist(actual, 'ENOMEM', 'nothing is mapped at the start');
    const places = placesIn(process, range).map(([, place]) => place);
    const wired = isWhole(process, range) && places.every((place) => place.wired);
    insist(actual, wired ? 0 : 'EINVAL', 'munlock wants all of the range wired');
    if (wired) for (const place of places) place.wired = false;
  }

  // ---- accesses

  override outcomes(process: ModelProcess, vpn: number, access: Access): readonly Outcome[] {
    const place = process.places.get(vpn);
    if (place === undefined) return ['missing'];
    if ((place.prot & (PROT_OF_ACCESS[access] as Prot)) === 0) {
      const translated = access !== ACCESS_WRITE && place.prot !== 0 && place.content !== null && !copiesDevice(place);
      return translated ? ['protection', 'ok'] : ['protection'];
    }
    if (place.content === null) return ['beyond'];
    return copiesDevice(place) ? ['failure'] : ['ok'];
  }

  /** Whether a disk that has been broken may have been the reason. */
  private excuses(actual: CallResult): boolean {
    return this.troubled && (actual === 'EIO' || actual === 'ENOSPC');
  }
}

/** Why the first of these pages that cannot be wired cannot. */
function wireRefusal(places: readonly Place[]): CallResult | null {
  for (const place of places) {
    if (place.wired) continue;
    if (place.content === null) return 'EINVAL';
    if (copiesDevice(place)) return 'EIO';
  }
  return null;
}
