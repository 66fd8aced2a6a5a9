// The first difference between what is expected and what is found.

import { describe, expect, it } from 'vitest';
import { differenceText, firstByteDifference, firstDifference, firstOf } from '../../../cli/oracle/compare.ts';

describe('values', () => {
  it.each([
    ['equal objects', { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, null],
    ['a number', 1, 2, 'x: expected 1, found 2'],
    ['a member deep inside', { a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }, 'x.a[1].b: expected 2, found 3'],
    ['the first of two', { a: 1, b: 1 }, { b: 2, a: 2 }, 'x.a: expected 1, found 2'],
    ['a missing member', { a: 1 }, {}, 'x.a: expected 1, found nothing'],
    ['a member too many', {}, { a: 1 }, 'x.a: expected nothing, found 1'],
    ['a shorter list', [1, 2], [1], 'x[1]: expected 2, found nothing'],
    ['a longer list', [1], [1, 2], 'x[1]: expected nothing, found 2'],
    ['an element before a length', [1, 2], [3], 'x[0]: expected 1, found 3'],
    ['text', ['a b'], ['a  b'], 'x[0]: expected "a b", found "a  b"'],
    ['a list where a number is due', 1, [1], 'x: expected 1, found [1]'],
    ['null is not nothing', null, undefined, 'x: expected null, found nothing'],
  ])('%s', (_name, expected, found, wanted) => {
    const difference = firstDifference(expected, found, 'x');
    expect(difference === null ? null : differenceText(difference)).toBe(wanted);
  });

  it('a long value is cut', () => {
    const text = differenceText(firstDifference('a'.repeat(5000), '', 'x')!);
    expect(text.length).toBeLessThan(300);
    expect(text).toContain('(5002 characters)');
  });
});

describe('bytes', () => {
  const bytes = (...values: number[]) => new Uint8Array(values);
  it.each([
    ['equal', bytes(1, 2, 3), bytes(1, 2, 3), null],
    ['different where it does not count', bytes(1, 2, 3), bytes(1, 9, 3), null],
    ['different', bytes(1, 2, 3), bytes(1, 2, 4), 'T byte 2: expected 0x03, found 0x04'],
    ['shorter', bytes(1, 2, 3), bytes(1, 2), 'T: expected a table of 3 bytes, found a table of 2 bytes'],
    ['missing', bytes(1), null, 'T: expected a table of 1 bytes, found no table'],
    ['not wanted', null, bytes(1), 'T: expected no table, found a table of 1 bytes'],
    ['neither', null, null, null],
  ])('%s', (_name, expected, found, wanted) => {
    const difference = firstByteDifference(expected, found, 'T', [1, 1]);
    expect(difference === null ? null : differenceText(difference)).toBe(wanted);
  });
});

it('comparisons after the first difference are not made', () => {
  const made: string[] = [];
  const step = (name: string, differs: boolean) => () => {
    made.push(name);
    return differs ? { where: name, expected: '', found: '' } : null;
  };
  expect(firstOf(step('a', false), step('b', true), step('c', true))?.where).toBe('b');
  expect(made).toEqual(['a', 'b']);
});
