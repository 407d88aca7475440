import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { mapBounded } from '../../src/dataset/files/bounded';

test('keeps the order, and has never more under way than allowed', async () => {
  let underWay = 0;
  let most = 0;
  const items = Array.from({ length: 30 }, (_, i) => i);
  const results = await mapBounded(items, 4, async (item) => {
    most = Math.max(most, ++underWay);
    await delay((item * 7) % 5);
    underWay--;
    return item * 2;
  });
  expect(results).toEqual(items.map((item) => item * 2));
  expect(most).toBe(4);
  expect(await mapBounded([], 4, async () => 1)).toEqual([]);
});

test('rejects with the failure of one', async () => {
  const work = mapBounded([1, 2, 3], 2, async (item) => {
    if (item === 2) throw new Error('two');
    return item;
  });
  await expect(work).rejects.toThrow('two');
});
