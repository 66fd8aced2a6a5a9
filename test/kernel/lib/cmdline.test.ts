import { expect, test } from 'vitest';
import { get_option, next_arg, parameq, parameqn, parse_option_str } from '../../../kernel/lib/cmdline.ts';

test.each([
  ['mem=1G quiet', 'mem', '1G', 'quiet'],
  ['quiet  root=x', 'quiet', null, 'root=x'],
  ['a=b=c', 'a', 'b=c', ''],
  ['a="b c" d', 'a', 'b c', 'd'],
  ['"a=b c" d', 'a', 'b c', 'd'],
  ['"a b" d', 'a b', null, 'd'],
  ['a= b', 'a', '', 'b'],
  ['--\tinit', '--', null, 'init'],
])('the first argument of %j is %j = %j, then %j', (args, param, val, rest) => {
  expect(next_arg(args)).toEqual({ param, val, rest });
});

test('a dash in a name is as good as an underscore', () => {
  expect(parameq('movable-node', 'movable_node')).toBe(true);
  expect(parameq('movable', 'movable_node')).toBe(false);
  expect(parameqn('huge-pages=3', 'huge_pages=')).toBe(true);
});

test.each([
  ['5', 1, 5, ''],
  ['5,6', 2, 5, '6'],
  ['5-7', 3, 5, '-7'],
  ['-3', 1, -3, ''],
  ['x', 0, 0, 'x'],
  ['', 0, 0, ''],
])('option %j gives %i, value %i, rest %j', (text, result, value, rest) => {
  expect(get_option(text)).toEqual({ result, value, rest });
});

test('words of a comma-separated option are whole words', () => {
  expect(parse_option_str('a,force', 'force')).toBe(true);
  expect(parse_option_str('forced', 'force')).toBe(false);
});
