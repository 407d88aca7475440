/** Borders of objects along the sides of pixels, for views in which a pixel is large enough to have a border. */
import type { Box } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';

/** On which side of its pixels a border runs. */
export type Side = 'top' | 'bottom' | 'left' | 'right';

/**
 * Takes a straight piece of border: the side of the pixels [start, end) of a row (top, bottom) or column (left, right).
 */
type BorderVisitor = (label: number, side: Side, line: number, start: number, end: number) => void;

/**
 * Visits the borders of all labelled pixels of a box (targetPx), in pieces as long as can be. A border runs between two
 * labels, on the side of each that is not background; the border of the image is none.
 */
export function visitBorders({ size, data }: LabelMap, box: Box, visit: BorderVisitor): void {
  const { width, height } = size;
  for (let y = box.top; y < box.bottom; y++) {
    const row = y * width;
    if (y > 0) visitLine('top', y, row, 1, -width, box.left, box.right);
    if (y < height - 1) visitLine('bottom', y, row, 1, width, box.left, box.right);
  }
  for (let x = box.left; x < box.right; x++) {
    if (x > 0) visitLine('left', x, x, width, -1, box.top, box.bottom);
    if (x < width - 1) visitLine('right', x, x, width, 1, box.top, box.bottom);
  }

  /** Pixels of a line are `step` apart in the data, their neighbours across the border `across` away. */
  function visitLine(
    side: Side,
    line: number,
    offset: number,
    step: number,
    across: number,
    from: number,
    to: number,
  ): void {
    let label = 0;
    let start = from;
    for (let k = from, at = offset + from * step; k < to; k++, at += step) {
      const value = data[at];
      const here = value !== 0 && data[at + across] !== value ? value : 0;
      if (here === label) continue;
      if (label !== 0) visit(label, side, line, start, k);
      label = here;
      start = k;
    }
    if (label !== 0) visit(label, side, line, start, to);
  }
}
