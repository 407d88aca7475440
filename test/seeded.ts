/** Inputs that look random and are the same in every run. */
import { area, type Size } from '../src/core/geometry';
import type { LabelMap } from '../src/core/pixels/labelMap';
import { createMask, type Mask } from '../src/core/pixels/mask';

export { seededRandom } from '../src/core/random';

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

/** Each pixel has one of the values, drawn evenly. */
export function randomLabels(size: Size, values: readonly number[], random: () => number): LabelMap {
  return { size, data: Uint8Array.from({ length: area(size) }, () => values[Math.floor(random() * values.length)]) };
}

/** Labels drawn with one string per row: '.' is 0, '?' is 255, a digit is itself. */
export function drawLabels(rows: readonly string[]): LabelMap {
  const meaning = (pixel: string) => (pixel === '.' ? 0 : pixel === '?' ? 255 : Number(pixel));
  return { size: { width: rows[0].length, height: rows.length }, data: Uint8Array.from([...rows.join('')], meaning) };
}

/** The rows of `drawLabels`. */
export function rowsOf({ size, data }: LabelMap): string[] {
  const text = [...data].map((value) => (value === 0 ? '.' : value === 255 ? '?' : String(value))).join('');
  return Array.from({ length: size.height }, (_, y) => text.slice(y * size.width, (y + 1) * size.width));
}
