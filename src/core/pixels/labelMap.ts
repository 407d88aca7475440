/** Label maps: class ids per pixel, their run lengths, and how the mask of one class joins what is there. */
import { area, describeSize, type Size, sameSize } from '../geometry';
import { UserError } from '../userError';
import { emptyRuns, type RunMask } from './mask';

/** Class ids per pixel: uint8 [height, width], row-major, 0 background, 1 to 254 a class, 255 ignore. */
export interface LabelMap {
  readonly size: Size;
  readonly data: Uint8Array;
}

/**
 * The same labels as runs, row-major: run i is `lengths[i]` pixels of value `values[i]`; neighbouring runs differ, no
 * run is empty, and the lengths sum to width * height. Compact enough to cross a process boundary.
 */
export interface LabelRuns {
  readonly size: Size;
  readonly values: Uint8Array;
  readonly lengths: Uint32Array;
}

/** Pixels that neither train nor count. */
export const IGNORE = 255;

/** Pixels of masks are bytes, 0 is background and 255 means ignore. */
export const LARGEST_CLASS_ID = 254;

export const blankLabels = (size: Size): LabelMap => ({ size, data: new Uint8Array(area(size)) });

/** Values other than 0 that occur, ascending. */
export function valuesOf(labels: LabelMap): number[] {
  const seen = new Uint8Array(256);
  for (const value of labels.data) seen[value] = 1;
  const values: number[] = [];
  for (let value = 1; value < 256; value++) if (seen[value]) values.push(value);
  return values;
}

/** Runs of a label map. */
export function toLabelRuns({ size, data }: LabelMap): LabelRuns {
  const values: number[] = [];
  const lengths: number[] = [];
  for (let start = 0; start < data.length; ) {
    const value = data[start];
    let end = start + 1;
    while (end < data.length && data[end] === value) end++;
    values.push(value);
    lengths.push(end - start);
    start = end;
  }
  return { size, values: Uint8Array.from(values), lengths: Uint32Array.from(lengths) };
}

/**
 * The label map that runs describe. Throws RangeError unless there is a length per value and they sum to width *
 * height.
 */
export function fromLabelRuns({ size, values, lengths }: LabelRuns): LabelMap {
  if (values.length !== lengths.length) {
    throw new RangeError(
      `label runs need a length per value, got ${values.length} values and ${lengths.length} lengths`,
    );
  }
  const sum = lengths.reduce((total, length) => total + length, 0);
  if (sum !== area(size)) {
    throw new RangeError(`label runs of a ${describeSize(size)} map sum to ${area(size)}, got ${sum}`);
  }
  const labels = blankLabels(size);
  let pixel = 0;
  lengths.forEach((length, run) => {
    labels.data.fill(values[run], pixel, pixel + length);
    pixel += length;
  });
  return labels;
}

/** The pixels of one class, as run lengths. */
export function classRuns({ size, data }: LabelMap, classId: number): RunMask {
  const runs: number[] = [];
  let start = 0;
  let inside = false;
  for (let i = 0; i < data.length; i++) {
    if ((data[i] === classId) === inside) continue;
    runs.push(i - start);
    start = i;
    inside = !inside;
  }
  runs.push(data.length - start);
  return { size, runs: Uint32Array.from(runs) };
}

/**
 * `labels` with the pixels of `classId` replaced by `mask`. Pixels of other classes and ignored ones stay: the class
 * gets only what is background otherwise.
 */
export function mergeClass(labels: LabelMap, classId: number, mask: RunMask): LabelMap {
  const data = labels.data.slice();
  forEachMergedSpan(labels, classId, mask, (start, end, value) => data.fill(value, start, end));
  return { size: labels.size, data };
}

/** The mask of one class, to be merged into a label map. */
interface ClassMask {
  readonly classId: number;
  readonly mask: RunMask;
}

/**
 * `labels` with the pixels of several classes replaced by their masks, as if none of these classes had been there
 * before: what one gives up, another may take. Where masks overlap, the earlier one has the pixel. Other classes and
 * ignored pixels stay, as in `mergeClass`.
 */
export function mergeClasses(labels: LabelMap, masks: readonly ClassMask[]): LabelMap {
  const { size } = labels;
  const data = labels.data.slice();
  const merged = { size, data };
  const paint = (start: number, end: number, value: number) => void data.fill(value, start, end);
  // What a span is painted over lies behind the search for the next one, so one array does.
  for (const { classId } of masks) forEachMergedSpan(merged, classId, emptyRuns(size), paint);
  for (const { classId, mask } of masks) forEachMergedSpan(merged, classId, mask, paint);
  return merged;
}

/**
 * Visits the pixels that `mergeClass` changes as spans [start, end), ascending: from 0 to the class, or from the class
 * to 0. Searches for the few values that matter instead of looking at every pixel.
 */
export function forEachMergedSpan(
  { data }: LabelMap,
  classId: number,
  { runs }: RunMask,
  visit: (start: number, end: number, value: number) => void,
): void {
  // Where each value stands next, kept from run to run: a search that goes beyond its run is not done again.
  const nextOwn = searchOf(data, classId);
  const nextBlank = searchOf(data, 0);
  let pixel = 0;
  for (let i = 0; i < runs.length; i++) {
    const runEnd = pixel + runs[i];
    const isForeground = i % 2 === 1;
    const old = isForeground ? 0 : classId;
    const next = isForeground ? nextBlank : nextOwn;
    for (let at = next(pixel); at < runEnd; at = next(at)) {
      const start = at;
      while (at < runEnd && data[at] === old) at++;
      visit(start, at, isForeground ? classId : 0);
    }
    pixel = runEnd;
  }
}

/** Finds the first pixel of a value at or after an ever higher position; the number of pixels where there is none. */
function searchOf(data: Uint8Array, value: number): (from: number) => number {
  let found = -1;
  return (from) => {
    if (found < from) {
      const at = data.indexOf(value, from);
      found = at < 0 ? data.length : at;
    }
    return found;
  };
}

/**
 * Labels to merge masks of `size` into. A mask file of another size belongs to an image that was replaced since: if
 * only `classIds` are in it nothing is lost by starting afresh, otherwise it is a UserError.
 */
export function labelsOfSize(labels: LabelMap, classIds: readonly number[], size: Size, name: string): LabelMap {
  if (sameSize(labels.size, size)) return labels;
  if (valuesOf(labels).every((value) => classIds.includes(value))) return blankLabels(size);
  throw new UserError(
    `${name} is ${describeSize(labels.size)} but its image is ${describeSize(size)}, and it holds other classes.`,
  );
}

/** Foreground of either mask, in time of their runs alone. Throws RangeError unless they have the same size. */
export const unionRuns = (a: RunMask, b: RunMask): RunMask => combineRuns(a, b, (inA, inB) => inA || inB);

/** Foreground of both masks, in time of their runs alone. Throws RangeError unless they have the same size. */
export const intersectRuns = (a: RunMask, b: RunMask): RunMask => combineRuns(a, b, (inA, inB) => inA && inB);

function combineRuns(a: RunMask, b: RunMask, rule: (inA: boolean, inB: boolean) => boolean): RunMask {
  if (!sameSize(a.size, b.size)) {
    throw new RangeError(`masks are ${describeSize(a.size)} and ${describeSize(b.size)}, expected the same size`);
  }
  const runs: number[] = [];
  const cursors = [cursorOf(a), cursorOf(b)] as const;
  const pixels = area(a.size);
  let inside = false;
  let start = 0;
  for (let at = 0; at < pixels; ) {
    for (const cursor of cursors) while (cursor.end <= at) cursor.next();
    const isForeground = rule(cursors[0].isForeground, cursors[1].isForeground);
    if (isForeground !== inside) {
      runs.push(at - start);
      start = at;
      inside = isForeground;
    }
    at = Math.min(...cursors.map((cursor) => cursor.end));
  }
  runs.push(pixels - start);
  return { size: a.size, runs: Uint32Array.from(runs) };
}

/** Walks over the runs of a mask: where the current one ends, and what it is. */
export function cursorOf({ runs }: RunMask) {
  return {
    index: 0,
    end: runs[0],
    get isForeground() {
      return this.index % 2 === 1;
    },
    next() {
      this.index++;
      this.end += runs[this.index];
    },
  };
}
