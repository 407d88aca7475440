import { describe, expect, it } from 'vitest';
import { classInk, eraserInk } from '../../src/core/drawing/ink';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { fillPolygon, forEachPolygonSpan } from '../../src/core/drawing/polygon';
import type { Point, Size } from '../../src/core/geometry';
import { blankLabels, type LabelMap } from '../../src/core/pixels/labelMap';
import { randomLabels, rowsOf, seededRandom } from '../seeded';

const random = seededRandom(25);

/** Even-odd rule by a ray to the right of the pixel's centre. */
function isInside(x: number, y: number, points: readonly Point[]): boolean {
  let inside = false;
  points.forEach((a, i) => {
    const b = points[(i + 1) % points.length];
    if (a.y <= y === b.y <= y) return;
    if (a.x + ((b.x - a.x) * (y - a.y)) / (b.y - a.y) > x) inside = !inside;
  });
  return inside;
}

function filledByPixel({ size, data }: LabelMap, points: readonly Point[], value: number): LabelMap {
  const filled = data.map((old, at) => {
    const inside = isInside((at % size.width) + 0.5, Math.floor(at / size.width) + 0.5, points);
    return inside ? value : old;
  });
  return { size, data: filled };
}

const polygonIn = ({ width, height }: Size, corners: number): Point[] =>
  Array.from({ length: corners }, () => ({
    x: (random() * 1.6 - 0.3) * width,
    y: (random() * 1.6 - 0.3) * height,
  }));

const draw = (points: [x: number, y: number][], size: Size): string[] => {
  const labels = blankLabels(size);
  fillPolygon(
    labels,
    points.map(([x, y]) => ({ x, y })),
    classInk(1, false),
  );
  return rowsOf(labels);
};

describe('fillPolygon', () => {
  it('agrees with a ray from every pixel, crossing itself or not, inside the image or not', () => {
    for (const size of [
      { width: 23, height: 17 },
      { width: 1, height: 9 },
      { width: 9, height: 1 },
    ]) {
      for (let k = 0; k < 150; k++) {
        const points = polygonIn(size, 1 + (k % 9));
        const labels = blankLabels(size);
        const change = fillPolygon(labels, points, classInk(1, false));
        const expected = filledByPixel(blankLabels(size), points, 1);
        expect(labels).toEqual(expected);
        expect(change).toEqual(changeBetween(blankLabels(size), expected));
      }
    }
  });

  it('fills whole pixels where the corners lie on their borders', () => {
    const square: [number, number][] = [
      [1, 1],
      [4, 1],
      [4, 3],
      [1, 3],
    ];
    expect(draw(square, { width: 5, height: 4 })).toEqual(['.....', '.111.', '.111.', '.....']);
    expect(draw([...square].reverse(), { width: 5, height: 4 })).toEqual(['.....', '.111.', '.111.', '.....']);
  });

  it('leaves a hole where it winds around twice', () => {
    const ring: [number, number][] = [
      [0, 0],
      [5, 0],
      [5, 5],
      [0, 5],
      [0, 0],
      [1, 1],
      [4, 1],
      [4, 4],
      [1, 4],
      [1, 1],
    ];
    expect(draw(ring, { width: 5, height: 5 })).toEqual(['11111', '1...1', '1...1', '1...1', '11111']);
  });

  it('gives a pixel between two neighbours to one of them', () => {
    const size = { width: 30, height: 30 };
    for (let k = 0; k < 40; k++) {
      // Corners on half pixels put many centres exactly on the shared diagonal.
      const half = () => Math.floor(random() * 60) / 2;
      const [a, b, c, d] = Array.from({ length: 4 }, () => ({ x: half(), y: half() }));
      const counts = new Uint8Array(900);
      for (const triangle of [
        [a, b, c],
        [c, b, a],
      ]) {
        forEachPolygonSpan(size, triangle, (row, left, right) => {
          for (let x = left; x < right; x++) counts[row * 30 + x]++;
        });
      }
      // The same triangle either way round: the same pixels.
      expect([...counts].every((count) => count === 0 || count === 2)).toBe(true);
      const isConvex = side(b, d, a) * side(b, d, c) < 0 && side(a, c, b) * side(a, c, d) < 0;
      if (!isConvex) continue;
      const both = new Uint8Array(900);
      for (const triangle of [
        [a, b, d],
        [b, c, d],
      ]) {
        forEachPolygonSpan(size, triangle, (row, left, right) => {
          for (let x = left; x < right; x++) both[row * 30 + x]++;
        });
      }
      const whole = new Uint8Array(900);
      forEachPolygonSpan(size, [a, b, c, d], (row, left, right) => whole.fill(1, row * 30 + left, row * 30 + right));
      expect(both).toEqual(whole);
    }
  });

  it('keeps to its ink', () => {
    const size = { width: 8, height: 8 };
    const all = [
      { x: 0, y: 0 },
      { x: 8, y: 0 },
      { x: 8, y: 8 },
      { x: 0, y: 8 },
    ];
    const labels = randomLabels(size, [0, 1, 2, 255], random);
    const before = { size, data: labels.data.slice() };
    fillPolygon(labels, all, classInk(1, false));
    expect(labels.data).toEqual(before.data.map((old) => (old === 0 ? 1 : old)));
    fillPolygon(labels, all, eraserInk(1, false));
    expect(labels.data).toEqual(before.data.map((old) => (old === 1 ? 0 : old)));
  });

  it('of fewer than three corners is empty', () => {
    expect(draw([], { width: 3, height: 1 })).toEqual(['...']);
    expect(draw([[1, 0]], { width: 3, height: 1 })).toEqual(['...']);
    expect(
      draw(
        [
          [0, 0],
          [3, 1],
        ],
        { width: 3, height: 1 },
      ),
    ).toEqual(['...']);
  });
});

/** Positive on one side of the line a-b, negative on the other. */
function side(a: Point, b: Point, p: Point): number {
  return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
}
