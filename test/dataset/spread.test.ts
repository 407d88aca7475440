import { describe, expect, it } from 'vitest';
import { spread } from '../../src/dataset/files/spread';

const letters = [...'abcdefghij'];

describe('spread', () => {
  it('takes a sample in order, evenly', () => {
    expect(spread(letters, 2).join('')).toBe('aj');
    expect(spread(letters, 4).join('')).toBe('adgj');
    expect(spread(letters.slice(0, 9), 3).join('')).toBe('aei');
    expect(spread(letters.slice(0, 9), 4).join('')).toBe('adfi');
    expect(spread(letters, 3).join('')).toBe('afj');
  });

  it('of one takes the first, of none nothing', () => {
    expect(spread(letters, 1)).toEqual(['a']);
    expect(spread(letters, 0)).toEqual([]);
    expect(spread([], 1)).toEqual([]);
    expect(spread([], 0)).toEqual([]);
  });

  it('takes everything where there is no more, as a list of its own', () => {
    for (const count of [10, 11, 1000]) {
      expect(spread(letters, count)).toEqual(letters);
      expect(spread(letters, count)).not.toBe(letters);
    }
  });

  it('never takes one twice, always the first and the last, with gaps that differ by one at most', () => {
    for (let length = 2; length <= 40; length++) {
      const items = Array.from({ length }, (_, i) => i);
      for (let count = 2; count <= length; count++) {
        const sample = spread(items, count);
        expect(sample).toHaveLength(count);
        expect([sample[0], sample.at(-1)]).toEqual([0, length - 1]);
        const gaps = sample.slice(1).map((item, i) => item - sample[i]);
        expect(Math.min(...gaps)).toBeGreaterThan(0);
        expect(Math.max(...gaps) - Math.min(...gaps), `${count} of ${length}`).toBeLessThanOrEqual(1);
      }
    }
  });
});
