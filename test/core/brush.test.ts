import { describe, expect, it } from 'vitest';
import { forEachSpan, PENCIL_RADIUS, Stroke } from '../../src/core/drawing/brush';
import { classInk, eraserInk } from '../../src/core/drawing/ink';
import { changeBetween } from '../../src/core/drawing/labelChange';
import type { Point, Size } from '../../src/core/geometry';
import { blankLabels, type LabelMap } from '../../src/core/pixels/labelMap';
import { drawLabels, randomLabels, rowsOf, seededRandom } from '../seeded';

const random = seededRandom(24);
const copyOf = ({ size, data }: LabelMap): LabelMap => ({ size, data: data.slice() });

const distanceToSegment = (p: Point, a: Point, b: Point): number => {
  const squared = (b.x - a.x) ** 2 + (b.y - a.y) ** 2;
  const t = squared === 0 ? 0 : ((p.x - a.x) * (b.x - a.x) + (p.y - a.y) * (b.y - a.y)) / squared;
  const nearest = Math.min(1, Math.max(0, t));
  return Math.hypot(p.x - a.x - nearest * (b.x - a.x), p.y - a.y - nearest * (b.y - a.y));
};

/** Pixels whose centre is at most `radius` from the segment. */
function pixelsNear({ width, height }: Size, from: Point, to: Point, radius: number): Set<number> {
  const pixels = new Set<number>();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (distanceToSegment({ x: x + 0.5, y: y + 0.5 }, from, to) <= radius) pixels.add(y * width + x);
    }
  }
  return pixels;
}

function visited(size: Size, from: Point, to: Point, radius: number): Set<number> {
  const pixels = new Set<number>();
  let lastRow = -1;
  forEachSpan(size, from, to, radius, (row, left, right) => {
    expect(row).toBeGreaterThan(lastRow);
    expect(left).toBeGreaterThanOrEqual(0);
    expect(right).toBeLessThanOrEqual(size.width);
    expect(right).toBeGreaterThan(left);
    lastRow = row;
    for (let x = left; x < right; x++) pixels.add(row * size.width + x);
  });
  return pixels;
}

/** Also outside the image. */
const somewhere = ({ width, height }: Size): Point => ({
  x: (random() * 1.6 - 0.3) * width,
  y: (random() * 1.6 - 0.3) * height,
});

describe('a capsule', () => {
  const size = { width: 29, height: 21 };

  it('is what lies within its radius, wherever it lies', () => {
    for (let k = 0; k < 400; k++) {
      const from = somewhere(size);
      const to = k % 5 === 0 ? from : somewhere(size);
      const radius = 0.51 + random() * (k % 2 === 0 ? 2 : 12);
      expect(visited(size, from, to, radius)).toEqual(pixelsNear(size, from, to, radius));
    }
  });

  it('may be level, upright, or on pixel centres', () => {
    for (const to of [
      { x: 20, y: 7 },
      { x: 6, y: 18 },
      { x: 6, y: 7 },
      { x: 6.5, y: 7.5 },
      { x: 17.5, y: 7 },
    ]) {
      for (const radius of [0.75, 1, 2.5, 5]) {
        const from = { x: 6, y: 7 };
        expect(visited(size, from, to, radius)).toEqual(pixelsNear(size, from, to, radius));
      }
    }
  });
});

describe('a pencil', () => {
  const size = { width: 12, height: 9 };

  it('is the pixel under the pointer and nothing else', () => {
    for (const radius of [PENCIL_RADIUS, 0.2, 0.001]) {
      for (const [x, y] of [
        [3, 4],
        [3.999, 4.001],
        [3.5, 4.5],
      ]) {
        expect([...visited(size, { x, y }, { x, y }, radius)]).toEqual([4 * 12 + 3]);
      }
    }
  });

  it('joins both ends without a gap and no thicker than needed', () => {
    for (let k = 0; k < 200; k++) {
      const from = { x: random() * 12, y: random() * 9 };
      const to = { x: random() * 12, y: random() * 9 };
      const pixels = visited(size, from, to, 0.5);
      const columns = Math.abs(Math.floor(to.x) - Math.floor(from.x));
      const rows = Math.abs(Math.floor(to.y) - Math.floor(from.y));
      expect(pixels.size).toBe(Math.max(columns, rows) + 1);
      for (const { x, y } of [from, to]) expect(pixels.has(Math.floor(y) * 12 + Math.floor(x))).toBe(true);
      for (const at of pixels) {
        const centre = { x: (at % 12) + 0.5, y: Math.floor(at / 12) + 0.5 };
        const a = { x: Math.floor(from.x) + 0.5, y: Math.floor(from.y) + 0.5 };
        const b = { x: Math.floor(to.x) + 0.5, y: Math.floor(to.y) + 0.5 };
        expect(distanceToSegment(centre, a, b)).toBeLessThanOrEqual(0.5 + 1e-9);
        const neighbours = [...pixels].filter(
          (other) =>
            Math.abs((other % 12) + 0.5 - centre.x) <= 1 && Math.abs(Math.floor(other / 12) + 0.5 - centre.y) <= 1,
        );
        expect(neighbours.length).toBeGreaterThan(pixels.size === 1 ? 0 : 1);
      }
    }
  });

  it('draws nothing outside the image', () => {
    expect(visited(size, { x: -3, y: -0.001 }, { x: 30, y: -0.001 }, 0.5).size).toBe(0);
    expect(visited(size, { x: -3, y: 2.5 }, { x: 30, y: 2.5 }, 0.5).size).toBe(12);
  });
});

describe('a stroke', () => {
  it('is one change, equal to the union of its capsules over what the ink covers', () => {
    const size = { width: 40, height: 30 };
    for (const ink of [classInk(1, false), classInk(1, true), eraserInk(1, false), eraserInk(1, true)]) {
      for (const radius of [0.5, 1, 3.3, 9]) {
        const before = randomLabels(size, [0, 0, 0, 1, 1, 2, 255], random);
        const expected = copyOf(before);
        const labels = copyOf(before);
        const stroke = new Stroke(labels, ink, radius);
        let last: Point | undefined;
        for (let k = 0; k < 20; k++) {
          const point = k % 4 === 3 && last ? last : somewhere(size);
          const was = labels.data.slice();
          const box = stroke.moveTo(point);
          const pixels = visited(size, last ?? point, point, radius);
          for (const at of pixels) if (ink.covers[expected.data[at]] === 1) expected.data[at] = ink.value;
          last = point;
          expect(labels).toEqual(expected);
          const isOutside = (value: number, at: number) => {
            if (value === was[at]) return false;
            const x = at % size.width;
            const y = Math.floor(at / size.width);
            return !box || x < box.left || x >= box.right || y < box.top || y >= box.bottom;
          };
          expect(labels.data.some(isOutside)).toBe(false);
          if (box === null) expect(labels.data).toEqual(was);
        }
        expect(stroke.change()).toEqual(changeBetween(before, labels));
      }
    }
  });

  it('spares other classes and ignored pixels', () => {
    const labels = drawLabels(['..2..', '.?1..', '.....']);
    new Stroke(labels, classInk(1, false), 9).moveTo({ x: 2, y: 1 });
    expect(rowsOf(labels)).toEqual(['11211', '1?111', '11111']);
    new Stroke(labels, eraserInk(1, false), 9).moveTo({ x: 2, y: 1 });
    expect(rowsOf(labels)).toEqual(['..2..', '.?...', '.....']);
  });

  it('that misses the image changes nothing', () => {
    const labels = blankLabels({ width: 5, height: 5 });
    const stroke = new Stroke(labels, classInk(1, false), 2);
    expect(stroke.moveTo({ x: -10, y: 2 })).toBeNull();
    expect(stroke.change().starts.length).toBe(0);
  });
});
