/** How the comparison of a machine with the model ends when it cannot go on, and what it says then. */

/** The model and a system differ. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/** So much is possible at once that the model is not worth asking any more: no mistake of anybody. */
export class TooOpen extends Error {
  override readonly name = 'TooOpen';
}

export function tooOpen(why: string): never {
  throw new TooOpen(why);
}

/** What must be so, or else the message of a Mismatch. */
export function must(so: boolean, message: string | (() => string)): void {
  if (!so) throw new Mismatch(typeof message === 'string' ? message : message());
}

/** The first byte of what was seen that differs from what a page may contain: the first of the contents that are possible. */
export function difference([expected, ...others]: readonly Uint8Array[], offset: number, seen: Uint8Array): string {
  if (expected === undefined) return 'the page shows something where there is nothing';
  const at = seen.findIndex((byte, i) => byte !== expected[offset + i]);
  const rest = others.length > 0 ? `, nor any of ${others.length} other contents` : '';
  return `byte ${offset + at} of the page is ${seen[at]}, not ${expected[offset + at]}${rest}`;
}
