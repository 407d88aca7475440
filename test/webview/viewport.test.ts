import { describe, expect, it } from 'vitest';
import type { Point } from '../../src/core/geometry';
import { Viewport } from '../../webview/canvas/viewport';
import { seededRandom } from '../seeded';

/** Sides of tiles are multiples of this many pixels. */
const TILE_QUANTUM = 256;
const SCREEN = { width: 1000, height: 700 };
const LARGE = { width: 8000, height: 6000 };
const SMALL = { width: 40, height: 30 };

const close = (a: Point, b: Point, within: number): void => {
  expect(Math.abs(a.x - b.x)).toBeLessThanOrEqual(within);
  expect(Math.abs(a.y - b.y)).toBeLessThanOrEqual(within);
};

/** Viewports reached by steps that a person might take. */
function walk(viewport: Viewport, steps: number, visit: (viewport: Viewport) => void): void {
  const random = seededRandom(7);
  let at = viewport;
  for (let step = 0; step < steps; step++) {
    const point = { x: random() * SCREEN.width, y: random() * SCREEN.height };
    const choice = random();
    if (choice < 0.45) at = at.zoomedAt(point, 2 ** (random() * 2 - 1));
    else if (choice < 0.9) at = at.panned((random() - 0.5) * 900, (random() - 0.5) * 900);
    else if (choice < 0.95) at = at.resized({ width: 200 + random() * 900, height: 200 + random() * 700 });
    else at = at.actual(at.pixelRatio);
    visit(at);
  }
}

describe('Viewport', () => {
  it('shows the whole image, centred and as large as fits', () => {
    for (const target of [LARGE, SMALL, { width: 5000, height: 20 }, { width: 1, height: 1 }]) {
      for (const ratio of [1, 1.25, 2]) {
        const viewport = Viewport.fit(target, SCREEN, ratio);
        const start = viewport.toScreen({ x: 0, y: 0 });
        const end = viewport.toScreen({ x: target.width, y: target.height });
        expect(start.x).toBeGreaterThanOrEqual(0);
        expect(start.y).toBeGreaterThanOrEqual(0);
        expect(end.x).toBeLessThanOrEqual(SCREEN.width);
        expect(end.y).toBeLessThanOrEqual(SCREEN.height);
        close({ x: start.x + end.x, y: start.y + end.y }, { x: SCREEN.width, y: SCREEN.height }, 2);
        const fills = Math.max((end.x - start.x) / SCREEN.width, (end.y - start.y) / SCREEN.height);
        const isLargestPixel = viewport.scale * ratio === 64;
        expect(fills > 0.94 || isLargestPixel).toBe(true);
        expect(viewport.visible()).toEqual({ left: 0, top: 0, right: target.width, bottom: target.height });
      }
    }
  });

  it('refuses an image without pixels', () => {
    expect(() => Viewport.fit({ width: 0, height: 5 }, SCREEN)).toThrow(RangeError);
  });

  it('has toScreen and toTarget undo each other', () => {
    walk(Viewport.fit(LARGE, SCREEN, 1.5), 100, (viewport) => {
      const point = { x: 123.25, y: 456.5 };
      close(viewport.toScreen(viewport.toTarget(point)), point, 1e-6);
    });
  });

  it('puts corners of tiles of the shown level on whole device pixels', () => {
    for (const ratio of [1, 1.25, 1.5, 2, 3]) {
      walk(Viewport.fit(LARGE, SCREEN, ratio), 200, (viewport) => {
        const deviceScale = viewport.scale * viewport.pixelRatio;
        const level = Math.max(0, Math.floor(-Math.log2(deviceScale)));
        const tile = TILE_QUANTUM * 2 ** level * deviceScale;
        expect(Math.abs(tile - Math.round(tile))).toBeLessThan(1e-6);
        const corner = viewport.toScreen({ x: 0, y: 0 });
        for (const screenPx of [corner.x, corner.y]) {
          const devicePx = screenPx * ratio;
          expect(Math.abs(devicePx - Math.round(devicePx))).toBeLessThan(1e-6);
        }
        const frame = viewport.deviceFrame({ width: 1, height: 1 });
        expect(frame.left).toBe(Math.round(corner.x * ratio) + 0);
        expect(frame.top).toBe(Math.round(corner.y * ratio) + 0);
        expect(frame.scale).toBe(deviceScale);
      });
    }
  });

  it('keeps what is under the pointer when it zooms inside the image', () => {
    for (const factor of [1.01, 1.2, 2, 0.8, 0.5]) {
      const before = Viewport.fit(LARGE, SCREEN).zoomedAt({ x: 500, y: 350 }, 8);
      const pointer = { x: 300, y: 500 };
      const after = before.zoomedAt(pointer, factor);
      close(after.toScreen(before.toTarget(pointer)), pointer, 0.5 + 1e-9);
      expect(after.scale / before.scale).toBeGreaterThan(factor * 0.996);
      expect(after.scale / before.scale).toBeLessThan(factor * 1.004);
    }
  });

  it('adds up zooms and pans too small to be seen', () => {
    const before = Viewport.fit(LARGE, SCREEN, 1.5).zoomedAt({ x: 500, y: 350 }, 30);
    let zoomed = before;
    for (let step = 0; step < 1000; step++) zoomed = zoomed.zoomedAt({ x: 500, y: 350 }, 2 ** (1 / 1000));
    expect(zoomed.scale / before.scale).toBeCloseTo(2, 2);
    let panned = before;
    for (let step = 0; step < 1000; step++) panned = panned.panned(0.1, -0.1);
    close(panned.toScreen(before.toTarget({ x: 0, y: 0 })), { x: 100, y: -100 }, 1);
  });

  it('moves the image with the pointer', () => {
    const before = Viewport.fit(LARGE, SCREEN).zoomedAt({ x: 500, y: 350 }, 8);
    const after = before.panned(30, -20);
    const point = before.toTarget({ x: 200, y: 200 });
    close(after.toScreen(point), { x: 230, y: 180 }, 1e-6);
  });

  it('never loses the image, and stays within the scales', () => {
    for (const target of [LARGE, SMALL, { width: 3, height: 2000 }]) {
      const fit = Viewport.fit(target, SCREEN).scale;
      walk(Viewport.fit(target, SCREEN), 300, (viewport) => {
        const { screen } = viewport;
        const centre = viewport.toTarget({ x: screen.width / 2, y: screen.height / 2 });
        const slack = 1 / viewport.scale;
        expect(centre.x).toBeGreaterThanOrEqual(-slack);
        expect(centre.x).toBeLessThanOrEqual(target.width + slack);
        expect(centre.y).toBeGreaterThanOrEqual(-slack);
        expect(centre.y).toBeLessThanOrEqual(target.height + slack);
        expect(viewport.scale).toBeLessThanOrEqual(64);
        expect(viewport.scale).toBeGreaterThan(Math.min(fit, 1) / 40);
        const { left, top, right, bottom } = viewport.visible();
        expect(right).toBeGreaterThan(left);
        expect(bottom).toBeGreaterThan(top);
      });
    }
  });

  it('goes from a quarter of the fit to 64 device pixels per pixel', () => {
    const fit = Viewport.fit(LARGE, SCREEN, 2);
    const middle = { x: 500, y: 350 };
    expect(fit.zoomedAt(middle, 1e-9).scale / fit.scale).toBeCloseTo(0.25, 2);
    expect(fit.zoomedAt(middle, 1e9).scale * 2).toBe(64);
    // One pixel to one is within reach though the image would fit at twelve times that.
    expect(Viewport.fit(SMALL, SCREEN).actual(1).scale).toBe(1);
    // Tiny images fit at the largest pixel.
    expect(Viewport.fit({ width: 2, height: 2 }, SCREEN).scale).toBe(64);
  });

  it('shows one pixel per device pixel about the centre', () => {
    for (const ratio of [1, 1.25, 2]) {
      const before = Viewport.fit(LARGE, SCREEN, ratio).zoomedAt({ x: 700, y: 100 }, 3);
      const after = before.actual(ratio);
      const centre = { x: SCREEN.width / 2, y: SCREEN.height / 2 };
      expect(after.scale * ratio).toBeCloseTo(1, 9);
      close(after.toTarget(centre), before.toTarget(centre), 1);
    }
  });

  it('keeps centre and scale on another screen, and a fit a fit', () => {
    const other = { width: 600, height: 900 };
    const zoomed = Viewport.fit(LARGE, SCREEN).zoomedAt({ x: 500, y: 350 }, 5);
    const resized = zoomed.resized(other);
    expect(resized.scale).toBe(zoomed.scale);
    close(resized.toTarget({ x: 300, y: 450 }), zoomed.toTarget({ x: 500, y: 350 }), 1 / zoomed.scale);
    expect(zoomed.resized(SCREEN)).toBe(zoomed);
    const fitted = Viewport.fit(LARGE, SCREEN).resized(other);
    expect(fitted.equals(Viewport.fit(LARGE, other))).toBe(true);
    expect(fitted.isFitted).toBe(true);
    expect(zoomed.isFitted).toBe(false);
    expect(zoomed.fitted().equals(Viewport.fit(LARGE, SCREEN))).toBe(true);
  });

  it('is centred on any point of the image', () => {
    const viewport = Viewport.fit(LARGE, SCREEN).zoomedAt({ x: 0, y: 0 }, 6).centredOn({ x: 7000, y: 200 });
    close(viewport.toTarget({ x: 500, y: 350 }), { x: 7000, y: 200 }, 1 / viewport.scale);
  });

  it('sees the pixels that are partly on screen, and no others', () => {
    walk(Viewport.fit({ width: 300, height: 200 }, SCREEN), 200, (viewport) => {
      const { left, top, right, bottom } = viewport.visible();
      const isOnScreen = (x: number, y: number): boolean => {
        const start = viewport.toScreen({ x, y });
        const end = viewport.toScreen({ x: x + 1, y: y + 1 });
        const slack = 1e-4;
        return (
          end.x > slack &&
          end.y > slack &&
          start.x < viewport.screen.width - slack &&
          start.y < viewport.screen.height - slack
        );
      };
      let count = 0;
      for (let y = 0; y < 200; y++) {
        for (let x = 0; x < 300; x++) {
          if (isOnScreen(x, y)) count++;
        }
      }
      expect(count).toBe((right - left) * (bottom - top));
      expect(isOnScreen(left, top)).toBe(true);
      expect(isOnScreen(right - 1, bottom - 1)).toBe(true);
    });
  });
});

describe('a zoom button', () => {
  const shown = Viewport.fit(LARGE, SCREEN, 2).zoomedAt({ x: 100, y: 100 }, 4);
  const under = (viewport: Viewport, screenPx: Point) => viewport.toTarget(screenPx);

  it('keeps what is under the pointer where it is, or else the centre, and comes back', () => {
    for (const about of [{ x: 300, y: 200 }, undefined]) {
      const held = about ?? { x: SCREEN.width / 2, y: SCREEN.height / 2 };
      const nearer = shown.zoomed('in', about, 2);
      expect(nearer.scale / shown.scale).toBeCloseTo(1.5, 1);
      expect(under(nearer, held).x).toBeCloseTo(under(shown, held).x, -1);
      expect(nearer.zoomed('out', about, 2).scale).toBe(shown.scale);
    }
  });

  it('shows the whole image, or one of its pixels for each of the screen', () => {
    expect(shown.zoomed('fit', undefined, 2).isFitted).toBe(true);
    expect(shown.zoomed('actual', undefined, 2).scale).toBe(0.5);
  });
});
