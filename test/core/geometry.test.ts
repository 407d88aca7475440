import { describe, expect, it } from 'vitest';
import {
  area,
  describeSize,
  distance,
  longSide,
  moveToFrame,
  sameSize,
  squaredDistance,
} from '../../src/core/geometry';

const wide = { width: 640, height: 480 };
const tall = { width: 100, height: 300 };

describe('sizes', () => {
  it('measures and compares', () => {
    expect(area(wide)).toBe(307200);
    expect(longSide(wide)).toBe(640);
    expect(longSide(tall)).toBe(300);
    expect(sameSize(wide, { width: 640, height: 480 })).toBe(true);
    expect(sameSize(wide, { width: 480, height: 640 })).toBe(false);
  });

  it('is written width first', () => {
    expect(describeSize(wide)).toBe('640 x 480');
  });
});

describe('moveToFrame', () => {
  it('maps corners and centre onto each other, each axis by its own ratio', () => {
    expect(moveToFrame({ x: 0, y: 0 }, wide, tall)).toEqual({ x: 0, y: 0 });
    expect(moveToFrame({ x: 640, y: 480 }, wide, tall)).toEqual({ x: 100, y: 300 });
    expect(moveToFrame({ x: 320, y: 240 }, wide, tall)).toEqual({ x: 50, y: 150 });
  });

  it('comes back where it started', () => {
    const there = moveToFrame({ x: 12.3, y: 45.6 }, wide, { width: 560, height: 560 });
    const back = moveToFrame(there, { width: 560, height: 560 }, wide);
    expect(back.x).toBeCloseTo(12.3, 10);
    expect(back.y).toBeCloseTo(45.6, 10);
  });
});

describe('distance', () => {
  it('is Euclidean', () => {
    expect(squaredDistance({ x: 1, y: 2 }, { x: 4, y: 6 })).toBe(25);
    expect(distance({ x: 1, y: 2 }, { x: 4, y: 6 })).toBe(5);
    expect(distance({ x: 1, y: 2 }, { x: 1, y: 2 })).toBe(0);
  });
});
