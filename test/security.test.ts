/** What SECURITY.md promises in numbers and names is what the code keeps. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MOST_LINE_BYTES } from '../src/dataset/journal/journal';
import { FILE_KINDS } from '../src/disk/guardedFile';

const root = join(import.meta.dirname, '..');
const text = readFileSync(join(root, 'SECURITY.md'), 'utf8');

test('the limits are those of the code', () => {
  const rows = [...text.matchAll(/^\| (a[^|]*?) \| (\d+) (KB|MB)/gm)].map(([, name, count, unit]) => [
    name,
    Number(count) * (unit === 'KB' ? 1e3 : 1e6),
  ]);
  const kinds = Object.values(FILE_KINDS).map(({ name, mostBytes }) => [name, mostBytes]);
  expect(rows.sort()).toEqual([...kinds, ['a line of a journal', MOST_LINE_BYTES]].sort());
});

test('the tests are there', () => {
  const named = [...text.matchAll(/test\/[\w/.]+\.test\.ts/g)].map(([path]) => path);
  expect(named.length).toBeGreaterThan(6);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
