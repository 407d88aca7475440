/** Filling of connected regions. */
import type { Point } from '../geometry';
import type { LabelMap } from '../pixels/labelMap';
import { InkWriter, replacementInk } from './ink';
import type { LabelChange } from './labelChange';

/**
 * Gives a value to the 4-connected region of equal pixels around a point, in place: background inside an outline is
 * filled up, a component of another class changes hands, a component that gets 0 vanishes. Nothing changes where the
 * point lies outside the image or the pixel has the value already.
 *
 * Row by row, remembering where each row was entered from (Heckbert, "A Seed Fill Algorithm", Graphics Gems 1990): a
 * pixel is read about twice, so the time grows with the region and not with the image.
 *
 * @param seed in targetPx.
 */
export function floodFill(labels: LabelMap, seed: Point, value: number): LabelChange {
  const { data, size } = labels;
  const { width, height } = size;
  const column = Math.floor(seed.x);
  const row = Math.floor(seed.y);
  const isInside = column >= 0 && row >= 0 && column < width && row < height;
  const old = isInside ? data[row * width + column] : value;
  const writer = new InkWriter(labels, replacementInk(old, value));
  if (old === value) return writer.change();

  // Entries of four numbers: the pixels [from, to) of a row to grow from, and the step (1 or -1) that led to that row.
  const todo: number[] = [];
  const enter = (into: number, from: number, to: number, step: number) => {
    if (from < to && into >= 0 && into < height) todo.push(into, from, to, step);
  };
  enter(row + 1, column, column + 1, 1);
  enter(row, column, column + 1, -1);
  while (todo.length > 0) {
    const step = todo.pop() as number;
    const to = todo.pop() as number;
    const from = todo.pop() as number;
    const y = todo.pop() as number;
    const rowStart = y * width;
    const rowEnd = rowStart + width;
    let at = rowStart + from;
    while (at < rowStart + to) {
      if (data[at] !== old) {
        at++;
        continue;
      }
      let left = at;
      while (left > rowStart && data[left - 1] === old) left--;
      while (at < rowEnd && data[at] === old) at++;
      writer.writeRun(left, at, old);
      enter(y + step, left - rowStart, at - rowStart, step);
      // What reaches beyond the span that it was entered from may go back around it.
      enter(y - step, left - rowStart, from, -step);
      enter(y - step, to, at - rowStart, -step);
    }
  }
  return writer.change();
}
