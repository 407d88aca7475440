import { expect, test } from 'vitest';
import { countsText, finished } from '../../src/dataset/batch/batchProgress';

const NONE = { done: 0, skipped: 0, kept: 0, absent: 0, failed: 0 };

test('a run comes to what was labelled, and to what else there was', () => {
  expect(countsText({ ...NONE, total: 3 })).toBe('0 labelled of 3 images');
  const all = { done: 1, absent: 2, skipped: 3, kept: 4, failed: 5, total: 20 };
  expect(countsText(all)).toBe(
    '1 labelled, 2 without the object, 3 done before, 4 kept as a person left them, 5 failed of 20 images',
  );
  expect(finished(all)).toBe(15);
});
