/** Padding put on and taken off, against functions of the place. */
import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { addPadding, cropPadding } from '../../src/core/pixels/letterbox';
import type { FloatMap } from '../../src/core/pixels/raster';

const mapOf = (size: Size, value: (x: number, y: number) => number): FloatMap => ({
  size,
  data: Float32Array.from({ length: area(size) }, (_, i) =>
    value((i % size.width) + 0.5, Math.floor(i / size.width) + 0.5),
  ),
});

describe('cropping', () => {
  it('of whole pixels is a cut', () => {
    const map = mapOf({ width: 5, height: 4 }, (x, y) => x + 10 * y);
    const { size, data } = cropPadding(map, { width: 3, height: 4 });
    expect(size).toEqual({ width: 3, height: 4 });
    expect([...data]).toEqual([...mapOf(size, (x, y) => x + 10 * y).data]);
  });

  it('of fractions keeps the place: the result covers the extent and nothing else', () => {
    const extent = { width: 16, height: 10.75 };
    const { size, data } = cropPadding(
      mapOf({ width: 16, height: 16 }, (x, y) => 2 * x - 3 * y),
      extent,
    );
    expect(size).toEqual({ width: 16, height: 11 });
    const expected = mapOf(size, (x, y) => 2 * x - (3 * y * extent.height) / size.height);
    for (const [i, value] of data.entries()) {
      // The first row's centre lies above the first centre of the map, where there is nothing to blend with.
      if (i >= 16) expect(value).toBeCloseTo(expected.data[i]!, 4);
    }
  });

  it('leaves at least a pixel', () => {
    expect(
      cropPadding(
        mapOf({ width: 8, height: 8 }, () => 3),
        { width: 8, height: 0.2 },
      ),
    ).toEqual({
      size: { width: 8, height: 1 },
      data: new Float32Array(8).fill(3),
    });
  });
});

describe('padding', () => {
  it('puts the map at the top left and the value elsewhere', () => {
    const map = mapOf({ width: 2, height: 2 }, (x, y) => x + 10 * y);
    const padded = addPadding(map, { width: 2, height: 2 }, { width: 4, height: 3 }, -7);
    const [a, b, c, d] = map.data;
    expect([...padded.data]).toEqual([a, b, -7, -7, c, d, -7, -7, -7, -7, -7, -7]);
  });

  it('stretches the map to its extent', () => {
    const map = mapOf({ width: 30, height: 20 }, (x, y) => x / 30 - y / 20);
    const extent = { width: 12, height: 7.5 };
    const { data, size } = addPadding(map, extent, { width: 12, height: 12 }, -9);
    for (let i = 0; i < data.length; i++) {
      const x = (i % size.width) + 0.5;
      const y = Math.floor(i / size.width) + 0.5;
      if (y > extent.height) expect(data[i]).toBe(-9);
      else expect(data[i]).toBeCloseTo(x / extent.width - Math.min(y / extent.height, 19.5 / 20), 4);
    }
  });

  it('goes and comes', () => {
    const smooth = (x: number, y: number) => Math.sin(x / 9) + Math.cos(y / 7);
    const map = mapOf({ width: 64, height: 42 }, smooth);
    const extent = { width: 64, height: 41.75 };
    const back = cropPadding(addPadding(map, extent, { width: 64, height: 64 }, -20), extent);
    expect(back.size).toEqual(map.size);
    for (let i = 64; i < back.data.length - 64; i++) expect(back.data[i]).toBeCloseTo(map.data[i]!, 2);
  });
});
