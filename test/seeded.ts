/** Inputs that look random and are the same in every run. */
import type { Size } from '../src/core/geometry';
import { createMask, type Mask } from '../src/core/mask';

/** Uniform numbers in [0, 1): mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Each pixel is foreground with probability `density`. */
export function randomMask(size: Size, density: number, random: () => number): Mask {
  const mask = createMask(size);
  for (let i = 0; i < mask.data.length; i++) mask.data[i] = random() < density ? 1 : 0;
  return mask;
}

/** A mask drawn with one string per row, '#' for foreground. */
export function drawMask(rows: readonly string[]): Mask {
  const mask = createMask({ width: rows[0].length, height: rows.length });
  mask.data.set([...rows.join('')].map((pixel) => (pixel === '#' ? 1 : 0)));
  return mask;
}

/** The sizes at which off-by-one errors show. */
export const smallSizes: readonly Size[] = [
  { width: 1, height: 1 },
  { width: 1, height: 5 },
  { width: 6, height: 1 },
  { width: 2, height: 2 },
  { width: 7, height: 4 },
  { width: 5, height: 9 },
];
