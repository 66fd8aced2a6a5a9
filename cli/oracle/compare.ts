// The first place where what was found is not what was expected, in the order in which a reader would look.

export interface Difference {
  /** Where: "zones[2].managed". */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

export const differenceText = ({ where, expected, found }: Difference): string =>
  `${where}: expected ${expected}, found ${found}`;

/** JSON that fits on a line; what there is nothing of is "nothing". */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
  return text.length <= 200 ? text : `${text.slice(0, 180)}... (${text.length} characters)`;
}

/**
 * Compares JSON-like values. Every key of `expected` is looked at in its order, then keys that only `found` has.
 * Arrays are compared element by element, then by length: the first element that differs says more than two lengths.
 * @param where names the value in the difference
 */
export function firstDifference(expected: unknown, found: unknown, where: string): Difference | null {
  if (Object.is(expected, found)) return null;
  const plain = { where, expected: show(expected), found: show(found) };
  if (Array.isArray(expected) && Array.isArray(found)) {
    for (let i = 0; i < Math.max(expected.length, found.length); i++) {
      const difference = firstDifference(expected[i], found[i], `${where}[${i}]`);
      if (difference !== null) return difference;
    }
    return null;
  }
  if (!isObject(expected) || !isObject(found)) return plain;
  for (const key of [...Object.keys(expected), ...Object.keys(found).filter((key) => !(key in expected))]) {
    const difference = firstDifference(expected[key], found[key], `${where}.${key}`);
    if (difference !== null) return difference;
  }
  return null;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The first of several comparisons that finds a difference; later ones are not made. */
export function firstOf(...comparisons: readonly (() => Difference | null)[]): Difference | null {
  for (const compare of comparisons) {
    const difference = compare();
    if (difference !== null) return difference;
  }
  return null;
}

/** Bytes, except those from `skip[0]` up to and with `skip[1]`. A missing table is null. */
export function firstByteDifference(
  expected: Uint8Array | null,
  found: Uint8Array | null,
  where: string,
  skip: readonly [number, number],
): Difference | null {
  const size = (bytes: Uint8Array | null) => (bytes === null ? 'no table' : `a table of ${bytes.length} bytes`);
  if (expected === null || found === null) {
    return expected === found ? null : { where, expected: size(expected), found: size(found) };
  }
  for (let i = 0; i < Math.min(expected.length, found.length); i++) {
    if ((i >= skip[0] && i <= skip[1]) || expected[i] === found[i]) continue;
    const hex = (byte: number) => `0x${byte.toString(16).padStart(2, '0')}`;
    return { where: `${where} byte ${i}`, expected: hex(expected[i]!), found: hex(found[i]!) };
  }
  if (expected.length === found.length) return null;
  return { where, expected: size(expected), found: size(found) };
}
