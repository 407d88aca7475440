/** What a drawing tool writes over what, and the one change that everything written in one go amounts to. */

import type { LabelMap } from '../pixels/labelMap';
import type { LabelChange } from './labelChange';

/** The value that pixels get, and which they must have to get it. */
export interface Ink {
  readonly value: number;
  /** uint8 [256]: 1 for values that are written over. Never 1 for `value` itself, so that a pixel changes once. */
  readonly covers: Uint8Array;
}

const inkOf = (value: number, covered: (old: number) => boolean): Ink => ({
  value,
  covers: Uint8Array.from({ length: 256 }, (_, old) => (old !== value && covered(old) ? 1 : 0)),
});

/** Draws a class over background; over other classes and ignored pixels only where that is wanted. */
export const classInk = (classId: number, overOthers: boolean): Ink => inkOf(classId, (old) => overOthers || old === 0);

/** Makes background of a class's pixels, or of everything. */
export const eraserInk = (classId: number, allClasses: boolean): Ink =>
  inkOf(0, (old) => allClasses || old === classId);

/** Writes the class wherever the pixels have one certain value. */
export const replacementInk = (old: number, value: number): Ink => inkOf(value, (other) => other === old);

/**
 * Writes spans into a label map, in any order and over one another, and yields them as one change. Until that is asked
 * for, only what has changed is kept.
 */
export class InkWriter {
  // Segments are apart, since a pixel changes once: their starts and their ends sort alike, each on its own.
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  constructor(
    private readonly labels: LabelMap,
    private readonly ink: Ink,
  ) {}

  /** Writes pixels [start, end) of the map, and says whether any has changed. */
  write(start: number, end: number): boolean {
    const { data } = this.labels;
    const { covers } = this.ink;
    const count = this.starts.length;
    let at = start;
    while (at < end) {
      const first = at;
      const old = data[at];
      do at++;
      while (at < end && data[at] === old);
      if (covers[old] === 1) this.writeRun(first, at, old);
    }
    return this.starts.length > count;
  }

  /** Writes pixels [start, end), all of which are known to have the value `old`, one that the ink covers. */
  writeRun(start: number, end: number, old: number): void {
    this.labels.data.fill(this.ink.value, start, end);
    // Exact up to 2^45 pixels: the old value rides along without a second array to keep in step.
    this.starts.push(start * 256 + old);
    this.ends.push(end);
  }

  /** All that was written so far. */
  change(): LabelChange {
    const starts = Float64Array.from(this.starts).sort();
    const ends = Uint32Array.from(this.ends).sort();
    const joined = { starts: new Uint32Array(ends.length), lengths: new Uint32Array(ends.length) };
    const before = new Uint8Array(ends.length);
    let count = 0;
    for (let i = 0; i < ends.length; i++) {
      const start = Math.floor(starts[i] / 256);
      const old = starts[i] - start * 256;
      if (count > 0 && ends[i - 1] === start && before[count - 1] === old) {
        joined.lengths[count - 1] += ends[i] - start;
        continue;
      }
      joined.starts[count] = start;
      joined.lengths[count] = ends[i] - start;
      before[count++] = old;
    }
    return {
      starts: joined.starts.slice(0, count),
      lengths: joined.lengths.slice(0, count),
      before: before.slice(0, count),
      after: new Uint8Array(count).fill(this.ink.value),
    };
  }
}

/** Makes background of every pixel of a class, in place. */
export function clearClass(labels: LabelMap, classId: number): LabelChange {
  const writer = new InkWriter(labels, eraserInk(classId, false));
  const { data } = labels;
  for (let at = data.indexOf(classId); at >= 0; at = data.indexOf(classId, at)) {
    let end = at;
    while (end < data.length && data[end] === classId) end++;
    writer.writeRun(at, end, classId);
  }
  return writer.change();
}
