/**
 * Pictures of more tiles than are answered at once (stage *tiles*): they are answered in overlapping blocks of tiles,
 * from the top to the bottom, and the mask is drawn row by row, so that memory does not grow with the picture.
 */

import type { Box, Size } from '../geometry';
import { RunBuilder } from '../pixels/competition';
import type { RunMask } from '../pixels/mask';
import { type FloatMap, resampleBilinear, type Taps, tapsAt } from '../pixels/raster';
import { type TileCounts, tileLength } from './tiles';

/** Tiles of a block, and of a picture that is answered in one piece. Memory rises with it: 0.54 GB with so many. */
const MOST_TOGETHER = 36;

/** Along a side of a block where the other side has as many. */
const BLOCK_SIDE = 6;

/** Rows of blocks, each from left to right, as boxes of whole targetPx. Neighbours share one tile. */
export type Blocks = readonly (readonly Box[])[];

/** The blocks of a picture in so many tiles; undefined where it is answered in one piece. */
export function planBlocks(tiles: TileCounts, size: Size): Blocks | undefined {
  const { columns, rows } = tiles;
  if (columns * rows <= MOST_TOGETHER) return undefined;
  const most = (others: number) => Math.floor(MOST_TOGETHER / Math.min(others, BLOCK_SIDE));
  const across = spansOf(columns, most(rows), size.width);
  const down = spansOf(rows, most(columns), size.height);
  return down.map(([top, bottom]) => across.map(([left, right]) => ({ left, top, right, bottom })));
}

/** First and last pixel of each of the fewest and evenest stretches of at most `most` tiles that share a tile. */
function spansOf(tiles: number, most: number, side: number): (readonly [number, number])[] {
  const count = Math.max(1, Math.ceil((tiles - 1) / (most - 1)));
  const length = tileLength(side, tiles);
  const step = tiles > 1 ? (side - length) / (tiles - 1) : 0;
  const edge = (index: number) => Math.round((index * (tiles - 1)) / count) * step;
  return Array.from({ length: count }, (_, index) => [
    Math.round(edge(index)),
    Math.min(side, Math.round(edge(index + 1) + length)),
  ]);
}

/** What the blocks of one row were answered, from left to right: logits over each block, as fine as they are. */
interface BlockRow {
  readonly top: number;
  readonly bottom: number;
  /** By class. */
  readonly answers: readonly (readonly { readonly box: Box; readonly logits: FloatMap }[])[];
}

/**
 * Masks of classes from the answers to blocks, drawn as rows of blocks come in. Where blocks overlap their logits are
 * blended with weights that add up to 1; a pixel that several classes claim goes to the highest logit, of equals to the
 * first class.
 */
export class BlockMasks {
  private above: BlockRow | undefined;
  private readonly builders: readonly RunBuilder[];
  /** The first row of pixels that is not drawn. */
  private next = 0;

  constructor(
    private readonly blocks: Blocks,
    private readonly size: Size,
    private readonly classes: number,
  ) {
    this.builders = Array.from({ length: classes }, () => new RunBuilder(size));
  }

  /** @param answers of the row of blocks that comes next, by class and block; undefined where nothing is there */
  add(row: number, answers: readonly (readonly (FloatMap | undefined)[])[]): void {
    const boxes = this.blocks[row]!;
    const { top, bottom } = boxes[0]!;
    const below: BlockRow = {
      ...{ top, bottom },
      answers: answers.map((maps) => maps.map((logits, at) => ({ box: boxes[at]!, logits: logits ?? NOTHING }))),
    };
    const end = row + 1 < this.blocks.length ? this.blocks[row + 1]![0]!.top : this.size.height;
    this.draw(below, end);
    this.above = below;
  }

  /** In the order of the classes. */
  finish(): RunMask[] {
    return this.builders.map((builder) => builder.finish());
  }

  private draw(below: BlockRow, end: number): void {
    const { width } = this.size;
    const values = Array.from({ length: this.classes }, () => new Float32Array(width));
    const { above } = this;
    const fills = [above, below].map((row) => row?.answers.map((answers) => new RowFiller(answers, width)));
    for (; this.next < end; this.next++) {
      const y = this.next;
      const rise = above === undefined ? 1 : eased((y + 0.5 - below.top) / (above.bottom - below.top));
      values.forEach((line, index) => {
        line.fill(0);
        if (rise < 1) fills[0]![index]!.addTo(line, y, 1 - rise);
        fills[1]![index]!.addTo(line, y, rise);
      });
      this.drawRow(values, y * width);
    }
  }

  private drawRow(values: readonly Float32Array[], start: number): void {
    const { width } = this.size;
    let runStart = 0;
    let winner = -1;
    for (let x = 0; x <= width; x++) {
      let best = -1;
      for (let index = 0, most = 0; x < width && index < values.length; index++) {
        if (values[index]![x]! > most) {
          most = values[index]![x]!;
          best = index;
        }
      }
      if (best === winner && x < width) continue;
      if (winner >= 0) this.builders[winner]!.add(start + runStart, start + x);
      runStart = x;
      winner = best;
    }
  }
}

/** Surely nothing. */
const NOTHING: FloatMap = { size: { width: 1, height: 1 }, data: Float32Array.of(-8) };

/** 0 to 1 as a raised cosine. */
const eased = (share: number): number => 0.5 - 0.5 * Math.cos(Math.PI * Math.min(1, Math.max(0, share)));

/** Adds a row of blocks to a row of pixels. */
class RowFiller {
  private readonly parts: readonly {
    readonly box: Box;
    readonly logits: FloatMap;
    readonly columns: Taps;
    /** float32 [box's width]. */
    readonly weights: Float32Array;
  }[];

  constructor(answers: BlockRow['answers'][number], width: number) {
    this.parts = answers.map(({ box, logits }, at) => {
      const before = answers[at - 1]?.box.right ?? 0;
      const after = answers[at + 1]?.box.left ?? width;
      const length = box.right - box.left;
      return {
        ...{ box, logits },
        columns: tapsAt(positions(length, logits.size.width), logits.size.width),
        weights: Float32Array.from({ length }, (_, x) => {
          const at = box.left + x + 0.5;
          const rise = before > box.left ? eased((at - box.left) / (before - box.left)) : 1;
          const fall = after < box.right ? 1 - eased((at - after) / (box.right - after)) : 1;
          return Math.min(rise, fall);
        }),
      };
    });
  }

  /** @param y in targetPx, inside the blocks */
  addTo(line: Float32Array, y: number, share: number): void {
    for (const { box, logits, columns, weights } of this.parts) {
      const height = box.bottom - box.top;
      const row = tapsAt(
        Float64Array.of(((y - box.top + 0.5) * logits.size.height) / height - 0.5),
        logits.size.height,
      );
      const { data } = resampleBilinear(logits, row, columns);
      for (let x = 0; x < data.length; x++) line[box.left + x]! += share * weights[x]! * data[x]!;
    }
  }
}

const positions = (length: number, of: number): Float64Array =>
  Float64Array.from({ length }, (_, at) => ((at + 0.5) * of) / length - 0.5);
