/** Copies of whole graphs of plain objects, maps, arrays and bytes: how the model keeps what a snapshot of the machine must bring back. */
export function cloneGraph<T>(value: T, memo = new Map<unknown, unknown>()): T {
  if (typeof value !== 'object' || value === null) return value;
  const known = memo.get(value);
  if (known !== undefined) return known as T;
  return cloneObject(value, memo) as T;
}

function cloneObject(value: object, memo: Map<unknown, unknown>): object {
  if (value instanceof Uint8Array) return remember(value, value.slice(), memo);
  if (value instanceof Map) {
    const copy = remember(value, new Map<unknown, unknown>(), memo);
    for (const [key, one] of value) copy.set(cloneGraph(key, memo), cloneGraph(one, memo));
    return copy;
  }
  const copy = remember(value, Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value)), memo);
  for (const [key, one] of Object.entries(value)) (copy as Record<string, unknown>)[key] = cloneGraph(one, memo);
  return copy;
}

function remember<T>(value: object, copy: T, memo: Map<unknown, unknown>): T {
  memo.set(value, copy);
  return copy;
}
