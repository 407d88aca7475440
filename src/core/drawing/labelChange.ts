/**
 * A change of a label map as a value: which pixels, what they were, what they become. Undo is the same change turned.
 */
import { area, type Box, describeSize, sameSize } from '../geometry';
import { forEachMergedSpan, type LabelMap } from '../pixels/labelMap';
import type { RunMask } from '../pixels/mask';

/**
 * Changed pixels as segments of a row-major label map. Segment i covers pixels [starts[i], starts[i] + lengths[i]), all
 * of which had the value `before[i]` and get `after[i]`. Segments are ascending, do not overlap, and are at least 1
 * long.
 */
export interface LabelChange {
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export const isUnchanged = ({ starts }: LabelChange): boolean => starts.length === 0;

/** The change that takes `after` back to `before`. */
export const invertChange = ({ starts, lengths, before, after }: LabelChange): LabelChange => ({
  starts,
  lengths,
  before: after,
  after: before,
});

/** Writes the `after` values of a change into a label map, in place. */
export function applyChange({ data }: LabelMap, { starts, lengths, after }: LabelChange): void {
  for (let i = 0; i < starts.length; i++) data.fill(after[i], starts[i], starts[i] + lengths[i]);
}

/** Whether every pixel of the change still has its `before` value, so that applying it changes just what it says. */
export function fits({ data }: LabelMap, { starts, lengths, before }: LabelChange): boolean {
  for (let i = 0; i < starts.length; i++) {
    for (let at = starts[i]; at < starts[i] + lengths[i]; at++) if (data[at] !== before[i]) return false;
  }
  return true;
}

/**
 * The change from one label map to another of the same size, looking only at pixels [from, to). Throws RangeError for
 * two sizes.
 */
export function changeBetween(before: LabelMap, after: LabelMap, from = 0, to = area(before.size)): LabelChange {
  if (!sameSize(before.size, after.size)) {
    throw new RangeError(
      `label maps are ${describeSize(before.size)} and ${describeSize(after.size)}, expected one size`,
    );
  }
  const writer = new ChangeWriter();
  for (let at = from; at < to; at++) {
    if (before.data[at] !== after.data[at]) writer.add(at, before.data[at], after.data[at]);
  }
  return writer.change();
}

/**
 * The change that makes `mask` the pixels of a class; other classes and ignored pixels keep theirs (see `mergeClass`).
 */
export function changeOfClass(labels: LabelMap, classId: number, mask: RunMask): LabelChange {
  const writer = new ChangeWriter();
  forEachMergedSpan(labels, classId, mask, (start, end, value) =>
    writer.addSpan(start, end - start, classId - value, value),
  );
  return writer.change();
}

/**
 * The same pixels and `after` values with the `before` that `labels` really has: a change made by somebody who had not
 * seen the latest labels, brought up to date.
 */
export function rebase(labels: LabelMap, { starts, lengths, after }: LabelChange): LabelChange {
  const writer = new ChangeWriter();
  for (let i = 0; i < starts.length; i++) {
    for (let at = starts[i]; at < starts[i] + lengths[i]; at++) {
      if (labels.data[at] !== after[i]) writer.add(at, labels.data[at], after[i]);
    }
  }
  return writer.change();
}

/** Throws RangeError unless the segments are ascending, apart, not empty, and inside a map of `pixels` pixels. */
export function checkChange({ starts, lengths, before, after }: LabelChange, pixels: number): void {
  const count = starts.length;
  if (lengths.length !== count || before.length !== count || after.length !== count) {
    throw new RangeError(
      `a change needs as many lengths, before and after values as its ${count} starts, got ${lengths.length}, ${before.length} and ${after.length}`,
    );
  }
  let end = 0;
  for (let i = 0; i < count; i++) {
    if (starts[i] < end || lengths[i] < 1 || starts[i] + lengths[i] > pixels) {
      throw new RangeError(
        `segment ${i} of a change (${starts[i]} + ${lengths[i]}) overlaps, is empty, or leaves the ${pixels} pixels`,
      );
    }
    end = starts[i] + lengths[i];
  }
}

/** Smallest box around the changed pixels of a map that is `width` pixels wide; null where nothing changes. */
export function boxOfChange({ starts, lengths }: LabelChange, width: number): Box | null {
  const count = starts.length;
  if (count === 0) return null;
  let left = width;
  let right = 0;
  for (let i = 0; i < count; i++) {
    const column = starts[i] % width;
    const end = column + lengths[i];
    // A segment that goes on in the next row touches both sides there.
    left = Math.min(left, end > width ? 0 : column);
    right = Math.max(right, Math.min(end, width));
  }
  const lastPixel = starts[count - 1] + lengths[count - 1] - 1;
  return { left, top: Math.floor(starts[0] / width), right, bottom: Math.floor(lastPixel / width) + 1 };
}

/** Collects changed pixels in ascending order and joins neighbours that change alike. */
export class ChangeWriter {
  private readonly starts: number[] = [];
  private readonly lengths: number[] = [];
  private readonly before: number[] = [];
  private readonly after: number[] = [];

  /** Adds pixel `at`, which must lie after all pixels added so far. */
  add(at: number, before: number, after: number): void {
    this.addSpan(at, 1, before, after);
  }

  /** Adds `length` pixels from `start` on, which must lie after all pixels added so far. */
  addSpan(start: number, length: number, before: number, after: number): void {
    const last = this.starts.length - 1;
    const joins =
      last >= 0 &&
      this.starts[last] + this.lengths[last] === start &&
      this.before[last] === before &&
      this.after[last] === after;
    if (joins) {
      this.lengths[last] += length;
      return;
    }
    this.starts.push(start);
    this.lengths.push(length);
    this.before.push(before);
    this.after.push(after);
  }

  change(): LabelChange {
    return {
      starts: Uint32Array.from(this.starts),
      lengths: Uint32Array.from(this.lengths),
      before: Uint8Array.from(this.before),
      after: Uint8Array.from(this.after),
    };
  }
}
