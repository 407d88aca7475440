/** Blocks: a mask drawn from them row by row is the one of the whole, and large pictures are covered without a seam. */
import { describe, expect, it } from 'vitest';
import type { Box, Size } from '../../src/core/geometry';
import { fromRuns } from '../../src/core/pixels/mask';
import type { FloatMap } from '../../src/core/pixels/raster';
import { BlockMasks, type Blocks, planBlocks } from '../../src/core/prompting/blocks';

const discs = (x: number, y: number) => 3 - Math.hypot((x % 23) - 11, (y % 29) - 14) / 2;

const answer = ({ left, top, right, bottom }: Box, value: (x: number, y: number) => number): FloatMap => {
  const size = { width: right - left, height: bottom - top };
  const data = Float32Array.from({ length: size.width * size.height }, (_, at) =>
    value(left + (at % size.width), top + Math.floor(at / size.width)),
  );
  return { size, data };
};

function drawn(blocks: Blocks, size: Size, values: readonly ((x: number, y: number, box: Box) => number)[]) {
  const masks = new BlockMasks(blocks, size, values.length);
  for (const [row, boxes] of blocks.entries()) {
    masks.add(
      row,
      values.map((value) => boxes.map((box) => answer(box, (x, y) => value(x, y, box)))),
    );
  }
  return masks.finish().map((runs) => fromRuns(runs).data);
}

describe('planBlocks', () => {
  it('leaves in one piece what is small enough, long or not', () => {
    expect(planBlocks({ columns: 6, rows: 6 }, { width: 600, height: 600 })).toBeUndefined();
    expect(planBlocks({ columns: 36, rows: 1 }, { width: 6000, height: 200 })).toBeUndefined();
  });

  it('covers every pixel with neighbours that overlap by about a part', () => {
    for (const [tiles, size] of [
      [
        { columns: 13, rows: 13 },
        { width: 2560, height: 2560 },
      ],
      [
        { columns: 7, rows: 22 },
        { width: 701, height: 2203 },
      ],
      [
        { columns: 80, rows: 1 },
        { width: 16001, height: 256 },
      ],
      [
        { columns: 90, rows: 90 },
        { width: 17408, height: 17408 },
      ],
    ] as const) {
      const blocks = planBlocks(tiles, size)!;
      const part = (4 * size.width) / (4 + 3 * (tiles.columns - 1));
      for (const row of blocks) {
        expect([row[0]!.left, row.at(-1)!.right]).toEqual([0, size.width]);
        row.slice(1).forEach((box, at) => {
          expect(Math.abs(row[at]!.right - box.left - part)).toBeLessThan(2);
          // Three never meet.
          expect(row[at + 2]?.left ?? size.width).toBeGreaterThanOrEqual(row[at]!.right);
        });
      }
      expect([blocks[0]![0]!.top, blocks.at(-1)![0]!.bottom]).toEqual([0, size.height]);
    }
  });
});

describe('BlockMasks', () => {
  const size = { width: 431, height: 397 };
  const blocks = planBlocks({ columns: 13, rows: 12 }, size)!;

  it('draws what the whole would have been where blocks agree', () => {
    expect(blocks).toHaveLength(3);
    const [mask] = drawn(blocks, size, [discs]);
    const wrong = mask!.filter((value, at) => {
      const logit = discs(at % size.width, Math.floor(at / size.width));
      return Math.abs(logit) > 1e-4 && value !== (logit > 0 ? 1 : 0);
    });
    expect(wrong).toHaveLength(0);
  });

  it('blends where they differ, with weights that add up to 1', () => {
    const left = new Map(blocks[0]!.map((box, at) => [box.left, at]));
    // A step from block to block: the outline lies in the middle of what two share.
    const [mask] = drawn(blocks, size, [(_x, _y, box) => (left.get(box.left) === 0 ? 1 : -1)]);
    const edge = (blocks[0]![0]!.right + blocks[0]![1]!.left) / 2;
    const wrong = mask!.filter((value, at) => {
      const x = (at % size.width) + 0.5;
      return Math.abs(x - edge) > 1 && value !== (x < edge ? 1 : 0);
    });
    expect(wrong).toHaveLength(0);
  });

  it('gives a pixel that several classes claim to the highest, of equals to the first', () => {
    const [first, second, third] = drawn(blocks, size, [() => 1, (x) => (x < 100 ? 2 : 1), () => -1]);
    expect(first!.every((value, at) => value === (at % size.width < 100 ? 0 : 1))).toBe(true);
    expect(second!.every((value, at) => value === (at % size.width < 100 ? 1 : 0))).toBe(true);
    expect(third!.includes(1)).toBe(false);
  });

  it('takes blocks without an answer for background', () => {
    const masks = new BlockMasks(blocks, size, 1);
    for (const [row, boxes] of blocks.entries()) masks.add(row, [boxes.map(() => undefined)]);
    expect(fromRuns(masks.finish()[0]!).data.includes(1)).toBe(false);
  });
});
