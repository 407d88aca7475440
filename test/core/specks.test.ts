import { describe, expect, it } from 'vitest';
import { countObjects, withoutSpecks } from '../../src/core/pixels/specks';

const size = { width: 8, height: 3 };
/** Row-major logits of an 8 x 3 map. */
const map = (...rows: number[][]) => ({ size, data: Float32Array.from(rows.flat()) });

describe('specks', () => {
  it('are components lighter than 5 % of the heaviest one, and rivals lighter than half of it', () => {
    const { data } = withoutSpecks(
      map([20, 20, 20, -1, 0.5, -1, -1, 1.3], [20, -1, -1, -1, -1, -1, -1, -1], [-2, -2, -2, -2, -2, -2, -2, -2]),
    );
    // The block weighs 4 x 8 = 32 (logits count up to 8), so 0.5 is below 1.6 and so is 1.3.
    expect([...data.subarray(0, 8)]).toEqual([20, 20, 20, -1, -8, -1, -1, -8]);
    expect(data[8]).toBe(20);
    expect(data[16]).toBe(-2);
  });

  it('are not looked for where there is one component, or none', () => {
    const one = map([1, 1, -1, -1, -1, -1, -1, -1], [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]);
    expect(withoutSpecks(one)).toBe(one);
    const none = map([-1, -1, -1, -1, -1, -1, -1, -1], [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]);
    expect(withoutSpecks(none)).toBe(none);
  });

  it('are what weighs less than half of the object, where nothing else stands out', () => {
    const none = [-1, -1, -1, -1, -1, -1, -1, -1];
    const two = map([8, 8, 8, -1, 6, -1, -1, 13], none, none);
    expect([...withoutSpecks(two).data.subarray(0, 8)]).toEqual([8, 8, 8, -1, -8, -1, -1, -8]);
    // 24 against 6 and 12: the one of 12 is half as heavy.
    const rival = map([8, 8, 8, -1, 6, -1, 6, 6], none, none);
    expect([...withoutSpecks(rival).data.subarray(0, 8)]).toEqual([8, 8, 8, -1, -8, -1, 6, 6]);
    // 16 against 8, 8 and 8: many objects, although the reference showed one.
    const many = map([8, 8, -1, 8, -1, 8, -1, 8], none, none);
    expect(withoutSpecks(many).data).toEqual(many.data);
  });

  it('in a support mask do not count as objects', () => {
    const mask = (...pixels: number[]) => ({ size: { width: 30, height: 1 }, data: Uint8Array.from(pixels) });
    const run = (length: number, value: number) => Array<number>(length).fill(value);
    expect(countObjects(mask(...run(25, 1), ...run(4, 0), 1))).toBe(1);
    expect(countObjects(mask(...run(20, 1), ...run(9, 0), 1))).toBe(2);
    expect(countObjects(mask(...run(30, 1)))).toBe(1);
    expect(countObjects(mask(...run(30, 0)))).toBe(0);
  });
});
