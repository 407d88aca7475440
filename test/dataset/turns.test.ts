import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from '../../src/dataset/project/turns';

test('work on one thing is done in order, one at a time, and a failure stops nobody', async () => {
  const turns = new Turns();
  const log: string[] = [];
  const work = (name: string, ms: number) => async () => {
    log.push(`${name} begins`);
    await delay(ms);
    log.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
    return name;
  };
  const [a, b, c] = [turns.take('x', work('a', 20)), turns.take('x', work('b', 1)), turns.take('x', work('c', 1))];
  await expect(b).rejects.toThrow('b failed');
  expect(await Promise.all([a, c])).toEqual(['a', 'c']);
  expect(log).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
});

test('things do not wait for each other, and all can be waited for', async () => {
  const turns = new Turns();
  const done: string[] = [];
  void turns.take('slow', () => delay(30).then(() => done.push('slow')));
  await turns.take('quick', async () => done.push('quick'));
  expect(done).toEqual(['quick']);
  await turns.over();
  expect(done).toEqual(['quick', 'slow']);
  await turns.over();
});
