// The ordered index of the page cache against a plain map.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { XA_MARK_0, XA_MARK_1, xarray } from '../../../kernel/lib/xarray.ts';

const index = fc.oneof(fc.nat(200), fc.nat(5000), fc.constantFrom(262143, 262144, 2 ** 30, 2 ** 34 - 1));
const step = fc.oneof(
  fc.record({ op: fc.constant('page' as const), index, value: fc.nat(1000) }),
  fc.record({ op: fc.constant('value' as const), index, value: fc.integer({ min: -1, max: 2 ** 40 }) }),
  fc.record({ op: fc.constant('mark' as const), index, value: fc.constantFrom(XA_MARK_0, XA_MARK_1) }),
  fc.record({ op: fc.constant('clear' as const), index, value: fc.constantFrom(XA_MARK_0, XA_MARK_1) }),
);

interface Entry {
  page: number;
  value: number;
  marks: Set<number>;
}

describe('xarray', () => {
  it('holds what was stored, finds pages and marks in order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), index, (steps, from) => {
        const xa = new xarray();
        const model = new Map<number, Entry>();
        for (const { op, index: at, value } of steps) {
          if (op === 'page') {
            xa.store_page(at, value);
            model.set(at, { page: value, value: -1, marks: new Set() });
          } else if (op === 'value') {
            xa.store_value(at, value);
            if (value < 0) model.delete(at);
            else model.set(at, { page: -1, value, marks: new Set() });
          } else if (op === 'mark') {
            xa.set_mark(at, value);
            model.get(at)?.marks.add(value);
          } else {
            xa.clear_mark(at, value);
            model.get(at)?.marks.delete(value);
          }
        }
        for (const { index: at } of steps) {
          const entry = model.get(at);
          expect(xa.page(at)).toBe(entry?.page ?? -1);
          expect(xa.value(at)).toBe(entry?.value ?? -1);
          expect(xa.get_mark(at, XA_MARK_1)).toBe(entry?.marks.has(XA_MARK_1) ?? false);
        }
        const all = [...model].sort(([a], [b]) => a - b).filter(([at]) => at >= from);
        const first = (wanted: (entry: Entry) => boolean): number => all.find(([, entry]) => wanted(entry))?.[0] ?? -1;
        expect(xa.find_page(from, Number.MAX_SAFE_INTEGER)).toBe(first(({ page }) => page >= 0));
        for (const mark of [XA_MARK_0, XA_MARK_1]) {
          expect(xa.find_marked(from, Number.MAX_SAFE_INTEGER, mark)).toBe(first(({ marks }) => marks.has(mark)));
          expect(xa.marked(mark)).toBe([...model.values()].some(({ marks }) => marks.has(mark)));
        }
      }),
    );
  });

  it('drops values, and the nodes that held nothing else', () => {
    const xa = new xarray();
    for (const at of [0, 70, 5000, 300_000]) xa.store_value(at, at);
    xa.store_page(71, 9);
    expect(xa.drop_values()).toBe(4);
    expect([0, 70, 5000, 300_000].map((at) => xa.value(at))).toEqual([-1, -1, -1, -1]);
    expect([xa.page(71), xa.empty]).toEqual([9, false]);
    xa.store_value(71, -1);
    expect([xa.drop_values(), xa.empty]).toEqual([0, true]);
  });

  it('finds nothing beyond the end that it is given', () => {
    const xa = new xarray();
    xa.store_page(70, 1);
    expect(xa.find_page(0, 69)).toBe(-1);
    expect(xa.find_page(0, 70)).toBe(70);
    expect(xa.find_page(71, 1000)).toBe(-1);
  });
});
