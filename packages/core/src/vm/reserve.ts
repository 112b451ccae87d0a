/**
 * What a call may need of map entries and objects, had before it changes anything.
 *
 * The kernels sleep with the map locked until there is memory for an entry or an object, or they panic; both are no answer in a machine that
 * somebody embeds. So a call counts first what it can need at most (an insertion one entry, a cut one more, a fork as many as the parent
 * has), asks for all of it, and is refused with everything as it was. What it does not use goes back. From there on it cannot fail for
 * want of either. netbsd's own uvm_mapent_reserve works like this.
 *
 * Entries and objects take no frames here, so nobody but a test ever refuses; without a test nothing is counted at all.
 */
export interface Needs {
  readonly entries: number;
  readonly objects: number;
}

export const ONE_ENTRY: Needs = { entries: 1, objects: 0 };

/** A kernel of which a test may refuse allocations. */
interface Refusing {
  readonly allocationFails: ((kind: 'map entry' | 'object') => boolean) | null;
}

/** Whether all that `needs` counts may be had. It is asked only where something can be refused. */
export function reserves({ allocationFails }: Refusing, needs: () => Needs): boolean {
  if (allocationFails === null) return true;
  const { entries, objects } = needs();
  for (let i = 0; i < entries; i++) if (allocationFails('map entry')) return false;
  for (let i = 0; i < objects; i++) if (allocationFails('object')) return false;
  return true;
}

/**
 * Refusals after which a fault believes that it will get no object or translation, however often it waits. (For frames the page daemon
 * knows.)
 */
export const FAULT_REFUSALS_MAX = 10;
