/** Shapes against counts by hand: they must not depend on a mask's resolution. */
import { describe, expect, it } from 'vitest';
import { createMask, type Mask } from '../../src/core/mask';
import { maskShape, meanShape } from '../../src/core/maskShape';

/** A rectangle in an image of 128 pixels, drawn `scale` times as fine. */
function rectangle(left: number, top: number, right: number, bottom: number, scale = 1): Mask {
  const side = 128 * scale;
  const mask = createMask({ width: side, height: side });
  for (let y = top * scale; y < bottom * scale; y++)
    mask.data.fill(1, y * side + left * scale, y * side + right * scale);
  return mask;
}

describe('mask shape', () => {
  it.each([1, 3, 4])('counts area, border and outline, drawn %i times as fine', (scale) => {
    const { area, border, complexity } = maskShape([rectangle(0, 10, 20, 40, scale)]);
    expect(area).toBeCloseTo((20 * 30) / 128 ** 2, 9);
    expect(border).toBeCloseTo(30 / 508, 9);
    // The side along the border of the image is no outline.
    expect(complexity).toBeCloseTo((20 + 20 + 30) ** 2 / 128 ** 2 / area, 9);
  });

  it('counts what any of several maps holds, at any resolution, once', () => {
    const one = rectangle(10, 10, 30, 30);
    const other = rectangle(60, 60, 80, 80, 2);
    const logits = { size: other.size, data: Float32Array.from(other.data, (value) => value - 0.5) };
    const both = maskShape([one, logits, one]);
    expect(both.area).toBeCloseTo(800 / 128 ** 2, 9);
    expect(both.border).toBe(0);
    expect(both.complexity).toBeCloseTo(160 ** 2 / 128 ** 2 / both.area, 9);
    // Two objects of a kind are twice as complex as one.
    expect(both.complexity).toBeCloseTo(2 * maskShape([one]).complexity, 9);
  });

  it('is nothing for an empty mask, and all border for a full one', () => {
    expect(maskShape([createMask({ width: 5, height: 7 })])).toEqual({ area: 0, border: 0, complexity: 0 });
    expect(maskShape([rectangle(0, 0, 128, 128)])).toEqual({ area: 1, border: 1, complexity: 0 });
  });

  it('of several references is their mean', () => {
    const shapes = [
      { area: 0.1, border: 0, complexity: 10 },
      { area: 0.3, border: 0.5, complexity: 30 },
    ];
    expect(meanShape(shapes)).toEqual({ area: 0.2, border: 0.25, complexity: 20 });
  });
});
