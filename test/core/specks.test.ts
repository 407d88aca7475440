import { describe, expect, it } from 'vitest';
import { withoutSpecks } from '../../src/core/specks';

const size = { width: 8, height: 3 };
/** Row-major logits of an 8 x 3 map. */
const map = (...rows: number[][]) => ({ size, data: Float32Array.from(rows.flat()) });

describe('specks', () => {
  it('are components lighter than 5 % of the heaviest one', () => {
    const { data } = withoutSpecks(
      map([20, 20, 20, -1, 0.5, -1, -1, 1.3], [20, -1, -1, -1, -1, -1, -1, -1], [-2, -2, -2, -2, -2, -2, -2, -2]),
    );
    // The block weighs 4 x 8 = 32 (logits count up to 8), so 0.5 is below 1.6 and so is 1.3.
    expect([...data.subarray(0, 8)]).toEqual([20, 20, 20, -1, -8, -1, -1, -8]);
    expect(data[8]).toBe(20);
    expect(data[16]).toBe(-2);
  });

  it('do not include a small object that the segmenter is sure of', () => {
    const logits = map([8, 8, 8, -1, -1, -1, -1, 3], [8, -1, -1, -1, -1, -1, -1, -1], [-1, -1, -1, -1, -1, -1, -1, -1]);
    expect(withoutSpecks(logits).data).toEqual(logits.data);
  });

  it('are not looked for where there is one component, or none', () => {
    const one = map([1, 1, -1, -1, -1, -1, -1, -1], [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]);
    expect(withoutSpecks(one)).toBe(one);
    const none = map([-1, -1, -1, -1, -1, -1, -1, -1], [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]);
    expect(withoutSpecks(none)).toBe(none);
  });
});
