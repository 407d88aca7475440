/** Binary masks: representation, run lengths and the questions every stage asks of them. */
import { area, type Box, describeSize, type Point, type Size, sameSize } from '../geometry';

/** A binary mask: uint8 [height, width], row-major, 0 background, 1 foreground. */
export interface Mask {
  readonly size: Size;
  readonly data: Uint8Array;
}

/**
 * The same mask as run lengths: row-major, alternating, starting with background (the first may be 0); they sum to
 * width * height. Compact enough to cross a process boundary.
 */
export interface RunMask {
  readonly size: Size;
  readonly runs: Uint32Array;
}

export function createMask(size: Size): Mask {
  return { size, data: new Uint8Array(area(size)) };
}

/** Throws RangeError unless `data` holds exactly one value per pixel. */
export function checkMask(mask: Mask): void {
  if (mask.data.length !== area(mask.size)) {
    throw new RangeError(`mask of ${describeSize(mask.size)} needs ${area(mask.size)} values, got ${mask.data.length}`);
  }
}

/** Throws RangeError unless both masks have the same size. */
export function checkSameSize(a: Mask, b: Mask): void {
  if (!sameSize(a.size, b.size)) {
    throw new RangeError(`masks are ${describeSize(a.size)} and ${describeSize(b.size)}, expected the same size`);
  }
}

/** Run lengths of a mask. The last run is never 0, and only the first can be. */
export function toRuns(mask: Mask): RunMask {
  checkMask(mask);
  return { size: mask.size, runs: Uint32Array.from(runLengths(mask.data)) };
}

/** The mask that run lengths describe. Throws RangeError unless they sum to width * height. */
export function fromRuns(mask: RunMask): Mask {
  const { size, runs } = mask;
  checkSum('run lengths', runs, size);
  return { size, data: expand(runs, area(size)) };
}

/**
 * Uncompressed COCO run lengths (`segmentation.counts` of an `iscrowd` annotation): column-major, alternating, starting
 * with background (the first may be 0); they sum to width * height. Costs the time of the foreground's box, not of the
 * whole mask: an image may have hundreds of small objects. Throws RangeError unless the runs sum to width * height.
 */
export function cocoCounts({ size, runs }: RunMask): number[] {
  checkSum('run lengths', runs, size);
  const { width, height } = size;
  const spans = rowSpans(runs, width);
  const counts: number[] = [];
  let start = 0;
  let value = 0;
  const turn = (at: number) => {
    counts.push(at - start);
    start = at;
    value = 1 - value;
  };
  if (spans.length > 0) {
    const top = spans[0].y;
    const bottom = spans[spans.length - 1].y + 1;
    const left = spans.reduce((least, span) => Math.min(least, span.left), width);
    const right = spans.reduce((most, span) => Math.max(most, span.right), 0);
    const rows = bottom - top;
    const columns = new Uint8Array(rows * (right - left));
    for (const span of spans) {
      for (let x = span.left; x < span.right; x++) columns[(x - left) * rows + span.y - top] = 1;
    }
    for (let x = left; x < right; x++) {
      for (let y = top; y < bottom; y++) {
        if (columns[(x - left) * rows + y - top] !== value) turn(x * height + y);
      }
      // Outside the box is background, also between two of its columns.
      const joins = rows === height && x + 1 < right;
      const end = x * height + bottom;
      if (value === 1 && !joins && end < width * height) turn(end);
    }
  }
  counts.push(width * height - start);
  return counts;
}

/** Run lengths without foreground. */
export const emptyRuns = (size: Size): RunMask => ({ size, runs: Uint32Array.of(area(size)) });

/** True when some pixel is foreground; for run lengths as `toRuns` makes them. */
export const hasForeground = ({ runs }: RunMask): boolean => runs.length > 1;

/** Number of foreground pixels of run lengths. */
export function runArea({ runs }: RunMask): number {
  let sum = 0;
  for (let i = 1; i < runs.length; i += 2) sum += runs[i];
  return sum;
}

/** Number of foreground pixels. */
export function foregroundArea(mask: Mask): number {
  const { data } = mask;
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i];
  return sum;
}

/** Pixels that are foreground in any of the masks; all background when there are none. Sizes must equal `size`. */
export function union(size: Size, masks: readonly Mask[]): Mask {
  const result = createMask(size);
  for (const mask of masks) {
    checkSameSize(result, mask);
    checkMask(mask);
    for (let i = 0; i < result.data.length; i++) result.data[i] |= mask.data[i];
  }
  return result;
}

/** Smallest box around the foreground, in pixels of the mask; undefined when the mask is empty. */
export function boundingBox(mask: Mask): Box | undefined {
  const { size, data } = mask;
  const { width } = size;
  const first = data.indexOf(1);
  if (first < 0) return undefined;
  const top = Math.floor(first / width);
  const bottom = Math.floor(data.lastIndexOf(1) / width) + 1;
  let left = width;
  let right = 0;
  for (let y = top; y < bottom; y++) {
    const start = y * width;
    // Only columns outside the box found so far can widen it.
    for (let x = 0; x < left; x++) {
      if (data[start + x] === 1) left = x;
    }
    for (let x = width - 1; x >= right; x--) {
      if (data[start + x] === 1) right = x + 1;
    }
  }
  return { left, top, right, bottom };
}

/** True when no pixel is foreground. */
export const isEmpty = (mask: Mask): boolean => !mask.data.includes(1);

function runLengths(data: Uint8Array): number[] {
  const runs: number[] = [];
  let value = 0;
  let start = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== value) {
      runs.push(i - start);
      start = i;
      value = data[i];
    }
  }
  runs.push(data.length - start);
  return runs;
}

function checkSum(what: string, runs: ArrayLike<number>, size: Size): void {
  let sum = 0;
  for (let i = 0; i < runs.length; i++) {
    if (!(Number.isInteger(runs[i]) && runs[i] >= 0)) {
      throw new RangeError(`${what} are whole numbers of at least 0, got ${runs[i]} at position ${i}`);
    }
    sum += runs[i];
  }
  if (sum !== area(size)) {
    throw new RangeError(`${what} of a ${describeSize(size)} mask sum to ${area(size)}, got ${sum}`);
  }
}

function expand(runs: ArrayLike<number>, length: number): Uint8Array {
  const data = new Uint8Array(length);
  let position = 0;
  for (let i = 0; i < runs.length; i++) {
    if (i % 2 === 1) data.fill(1, position, position + runs[i]);
    position += runs[i];
  }
  return data;
}

/** Foreground of row-major runs as pixels [left, right) of row `y`, in order. */
function rowSpans(runs: Uint32Array, width: number): { y: number; left: number; right: number }[] {
  const spans: { y: number; left: number; right: number }[] = [];
  let position = 0;
  for (let i = 0; i < runs.length; i++) {
    const end = position + runs[i];
    while (i % 2 === 1 && position < end) {
      const y = Math.floor(position / width);
      const stop = Math.min(end, (y + 1) * width);
      spans.push({ y, left: position - y * width, right: stop - y * width });
      position = stop;
    }
    position = end;
  }
  return spans;
}

/** Left and right exchanged. */
export function mirrorMask({ size, data }: Mask): Mask {
  const mirrored = new Uint8Array(data.length);
  for (let start = 0; start < data.length; start += size.width) {
    mirrored.set(
      data
        .subarray(start, start + size.width)
        .slice()
        .reverse(),
      start,
    );
  }
  return { size, data: mirrored };
}

/** The pixels inside a box with whole-number sides that lies in the mask. */
export function cropMask({ size, data }: Mask, { left, top, right, bottom }: Box): Mask {
  const cropped = createMask({ width: right - left, height: bottom - top });
  for (let y = top; y < bottom; y++) {
    cropped.data.set(data.subarray(y * size.width + left, y * size.width + right), (y - top) * cropped.size.width);
  }
  return cropped;
}

/** Mean position of the foreground pixels' centres; undefined for an empty mask. */
export function centroid({ size, data }: Mask): Point | undefined {
  let x = 0;
  let y = 0;
  let count = 0;
  for (let at = data.indexOf(1); at >= 0; at = data.indexOf(1, at + 1)) {
    x += (at % size.width) + 0.5;
    y += Math.floor(at / size.width) + 0.5;
    count++;
  }
  return count === 0 ? undefined : { x: x / count, y: y / count };
}
