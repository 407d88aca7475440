/** One job at a time, and of those that wait only the newest. */
import { describe, expect, it } from 'vitest';
import { NewestWins } from '../../src/editor/image/newest';

/** A job that ends when it is told to. */
function job<T>(value: T) {
  let end = (_: T) => {};
  const result = new Promise<T>((resolve) => {
    end = resolve;
  });
  let started = false;
  return {
    work: () => {
      started = true;
      return result;
    },
    end: () => end(value),
    get started() {
      return started;
    },
  };
}

const turn = () => new Promise(setImmediate);

describe('newest wins', () => {
  it('runs jobs one after the other and drops what was replaced while it waited', async () => {
    const jobs = new NewestWins();
    const [a, b, c] = [job('a'), job('b'), job('c')];
    const first = jobs.run(a.work);
    await turn();
    const others = [jobs.run(b.work), jobs.run(c.work)];
    await turn();
    expect([a.started, b.started, c.started]).toEqual([true, false, false]);
    a.end();
    c.end();
    expect(await Promise.all([first, ...others])).toEqual(['a', undefined, 'c']);
    expect(b.started).toBe(false);
  });

  it('goes on after a job that failed', async () => {
    const jobs = new NewestWins();
    await expect(jobs.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await jobs.run(async () => 1)).toBe(1);
  });

  it('cancelled, drops what waits and lets what runs go on', async () => {
    const jobs = new NewestWins();
    const a = job('a');
    const first = jobs.run(a.work);
    await turn();
    const waiting = jobs.run(async () => 'b');
    jobs.cancel();
    a.end();
    expect(await Promise.all([first, waiting])).toEqual(['a', undefined]);
  });
});
