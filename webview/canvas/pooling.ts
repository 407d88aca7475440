/**
 * Four pixels of a label map, or of one of its coarser levels, as one of the next. It holds the label that covers most
 * of it (of equals the lowest, so that a class comes before what is ignored) and the share that is covered by any. It
 * is empty only if all below it is: nothing thin gets lost.
 */
import type { Size } from '../../src/core/geometry';
import type { TileRect } from './palette';

/**
 * Both uint8 [tileSize, tileSize], row-major. Where the level ends at an odd pixel, that one is repeated once, as if
 * the level were even; what lies beyond is undefined.
 */
export interface PooledTile {
  readonly classes: Uint8Array;
  /** Share of the pixel that has a label, 1 to 255; 0 where it has none. */
  readonly coverage: Uint8Array;
}

/** Labels of one row, also readable four at a time. */
export class Row {
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;

  constructor(length: number) {
    this.words = new Uint32Array(Math.ceil(length / 4));
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Copies `count` labels and repeats the last one up to a whole word: at the border, a pixel stands for it alone. */
  read(data: Uint8Array, offset: number, count: number): void {
    this.bytes.set(data.subarray(offset, offset + count));
    this.bytes.fill(data[offset + count - 1], count, Math.ceil(count / 4) * 4);
  }
}

/** Pools two rows of labels into an even `count` of pixels from `at` on; returns whether any is covered. */
export function poolRows(upper: Row, lower: Row, to: PooledTile, at: number, count: number): boolean {
  const { classes, coverage } = to;
  const upperWords = upper.words;
  const lowerWords = lower.words;
  const pairs = count / 2;
  let seen = 0;
  for (let pair = 0; pair < pairs; pair++) {
    const above = upperWords[pair];
    const below = lowerWords[pair];
    const first = at + 2 * pair;
    seen |= above | below;
    // Inside of objects and outside of them, which is most of a map, eight labels are alike.
    if (above === below && above === Math.imul(above & 255, 0x01010101) >>> 0) {
      const share = above === 0 ? 0 : 255;
      classes[first] = above & 255;
      classes[first + 1] = above & 255;
      coverage[first] = share;
      coverage[first + 1] = share;
      continue;
    }
    for (let k = 0; k < 2; k++) {
      const a = (above >>> (16 * k)) & 255;
      const b = (above >>> (16 * k + 8)) & 255;
      const c = (below >>> (16 * k)) & 255;
      const d = (below >>> (16 * k + 8)) & 255;
      poolFour(to, first + k, a, full(a), b, full(b), c, full(c), d, full(d));
    }
  }
  return seen !== 0;
}

const full = (label: number): number => (label === 0 ? 0 : 255);

/**
 * Pools part of a tile into a rectangle, an even number of pixels wide, of the quarter at (offsetX, offsetY) of
 * another.
 */
export function poolTile(
  { classes, coverage }: PooledTile,
  to: PooledTile,
  rect: TileRect,
  offsetX: number,
  offsetY: number,
  tileSize: number,
): void {
  const labels = new Uint32Array(classes.buffer);
  const shares = new Uint32Array(coverage.buffer);
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    const upper = 2 * (y - offsetY) * tileSize + 2 * (rect.x - offsetX);
    const end = y * tileSize + rect.x + rect.width;
    for (let at = y * tileSize + rect.x, a = upper; at < end; at += 2, a += 4) {
      const c = a + tileSize;
      const label = labels[a >> 2];
      const share = shares[a >> 2];
      // As for labels: most of the time eight pixels are alike.
      if (
        label === labels[c >> 2] &&
        share === shares[c >> 2] &&
        label === Math.imul(label & 255, 0x01010101) >>> 0 &&
        share === Math.imul(share & 255, 0x01010101) >>> 0
      ) {
        to.classes[at] = label & 255;
        to.classes[at + 1] = label & 255;
        to.coverage[at] = share & 255;
        to.coverage[at + 1] = share & 255;
        continue;
      }
      poolFour(
        to,
        at,
        classes[a],
        coverage[a],
        classes[a + 1],
        coverage[a + 1],
        classes[c],
        coverage[c],
        classes[c + 1],
        coverage[c + 1],
      );
      poolFour(
        to,
        at + 1,
        classes[a + 2],
        coverage[a + 2],
        classes[a + 3],
        coverage[a + 3],
        classes[c + 2],
        coverage[c + 2],
        classes[c + 3],
        coverage[c + 3],
      );
    }
  }
}

/** Repeats the last column and row of a tile's pixels where they are odd and there is room. */
export function repeatBorder({ classes, coverage }: PooledTile, tileSize: number, { width, height }: Size): void {
  for (const values of [classes, coverage]) {
    if (width % 2 === 1) {
      for (let at = width; at < height * tileSize; at += tileSize) values[at] = values[at - 1];
    }
    if (height % 2 === 1) values.copyWithin(height * tileSize, (height - 1) * tileSize, height * tileSize);
  }
}

/** Writes the pixel that stands for four with these labels and shares. */
function poolFour(
  { classes, coverage }: PooledTile,
  at: number,
  a: number,
  shareA: number,
  b: number,
  shareB: number,
  c: number,
  shareC: number,
  d: number,
  shareD: number,
): void {
  // Share of the whole pixel that each of the four labels has; labels of nothing have none.
  const ofA = shareA + (b === a ? shareB : 0) + (c === a ? shareC : 0) + (d === a ? shareD : 0);
  const ofB = (a === b ? shareA : 0) + shareB + (c === b ? shareC : 0) + (d === b ? shareD : 0);
  const ofC = (a === c ? shareA : 0) + (b === c ? shareB : 0) + shareC + (d === c ? shareD : 0);
  const ofD = (a === d ? shareA : 0) + (b === d ? shareB : 0) + (c === d ? shareC : 0) + shareD;
  let label = a;
  let most = ofA;
  if (ofB > most || (ofB === most && b < label)) {
    label = b;
    most = ofB;
  }
  if (ofC > most || (ofC === most && c < label)) {
    label = c;
    most = ofC;
  }
  if (ofD > most || (ofD === most && d < label)) label = d;
  classes[at] = label;
  // Rounded up: a pixel with anything in it never counts as empty.
  coverage[at] = (shareA + shareB + shareC + shareD + 3) >> 2;
}

/** Leaves no label in a rectangle of a tile. */
export function clearPooled(
  { classes, coverage }: PooledTile,
  tileSize: number,
  { x, y, width, height }: TileRect,
): void {
  for (let row = y; row < y + height; row++) {
    classes.fill(0, row * tileSize + x, row * tileSize + x + width);
    coverage.fill(0, row * tileSize + x, row * tileSize + x + width);
  }
}
