/** Simulated clicks against searches that try every pixel. */
import { describe, expect, it } from 'vitest';
import { createMask, type Mask } from '../../src/core/pixels/mask';
import type { PointPrompt } from '../../src/core/prompting/segmenter';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';
import { nextClick, squaredDepths } from './clickProtocol';

/** Every pixel compared with every other, and with a frame around the image. */
function searchedDepths({ size: { width, height }, data }: Mask): number[] {
  const isForeground = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height && data[y * width + x] === 1;
  return [...data].map((_, at) => {
    let nearest = Number.POSITIVE_INFINITY;
    for (let y = -1; y <= height; y++) {
      for (let x = -1; x <= width; x++) {
        if (isForeground(x, y)) continue;
        nearest = Math.min(nearest, (x - (at % width)) ** 2 + (y - Math.floor(at / width)) ** 2);
      }
    }
    return nearest;
  });
}

function searchedClick(truth: Mask, answer: Mask, clicks: readonly PointPrompt[]): PointPrompt | undefined {
  const { width } = truth.size;
  let best: { depth: number; click: PointPrompt } | undefined;
  for (const label of [0, 1] as const) {
    const [of, without] = label === 1 ? [truth, answer] : [answer, truth];
    const error = { size: truth.size, data: of.data.map((value, at) => value * (1 - without.data[at])) };
    for (const [at, depth] of searchedDepths(error).entries()) {
      const point = { x: (at % width) + 0.5, y: Math.floor(at / width) + 0.5 };
      if (clicks.some((click) => click.point.x === point.x && click.point.y === point.y)) continue;
      if (depth > (best?.depth ?? 0)) best = { depth, click: { point, label } };
    }
  }
  return best?.click;
}

const sizes = [...smallSizes, { width: 23, height: 17 }];

describe('depths', () => {
  it.each([0, 0.5, 0.9, 0.98, 1])('are those of a search, foreground %d', (density) => {
    const random = seededRandom(density * 100);
    for (const size of sizes) {
      for (let round = 0; round < 5; round++) {
        const mask = randomMask(size, density, random);
        expect([...squaredDepths(mask)]).toEqual(searchedDepths(mask));
      }
    }
  });
});

describe('the next click', () => {
  it('is that of a search, round after round', () => {
    const random = seededRandom(7);
    for (const size of sizes) {
      const truth = randomMask(size, 0.8, random);
      const clicks: PointPrompt[] = [];
      for (let round = 0; round < 12; round++) {
        const answer = round === 0 ? createMask(size) : randomMask(size, 0.6, random);
        const click = nextClick(truth, answer, clicks);
        expect(click).toEqual(searchedClick(truth, answer, clicks));
        if (click) clicks.push(click);
      }
    }
  });

  it('begins at the centre of the thickest object, and denies the thickest mistake', () => {
    const truth = drawMask(['##......', '##..###.', '....###.', '....###.', '........']);
    const first = nextClick(truth, createMask(truth.size), []);
    expect(first).toEqual({ point: { x: 5.5, y: 2.5 }, label: 1 });
    // A thin ring is more pixels, but nobody would click it.
    const answer = drawMask(['####....', '####.##.', '####.##.', '####.##.', '####....']);
    expect(nextClick(truth, answer, [first!])).toEqual({ point: { x: 1.5, y: 3.5 }, label: 0 });
  });

  it('is none where nothing is wrong, or all that is wrong was clicked at', () => {
    const truth = drawMask(['.#', '..']);
    expect(nextClick(truth, truth, [])).toBeUndefined();
    expect(nextClick(createMask(truth.size), createMask(truth.size), [])).toBeUndefined();
    expect(nextClick(truth, createMask(truth.size), [{ point: { x: 1.5, y: 0.5 }, label: 1 }])).toBeUndefined();
  });
});
