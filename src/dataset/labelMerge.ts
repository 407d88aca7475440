/** How a run's mask of one class joins what an image's mask file already holds. */
import { area, describeSize, type Size, sameSize } from '../core/geometry';
import type { RunMask } from '../core/mask';
import { UserError } from '../core/userError';
import { type LabelMap, valuesOf } from '../formats/maskPng';

export const blankLabels = (size: Size): LabelMap => ({ size, data: new Uint8Array(area(size)) });

/**
 * `labels` with the pixels of `classId` replaced by `mask`. Pixels of other classes and ignored ones stay: the class
 * gets only what is background otherwise.
 */
export function mergeClass(labels: LabelMap, classId: number, { runs }: RunMask): LabelMap {
  const data = labels.data.slice();
  for (let at = data.indexOf(classId); at >= 0; at = data.indexOf(classId, at + 1)) data[at] = 0;
  const isBlank = data.every((value) => value === 0);
  let pixel = 0;
  for (let i = 0; i < runs.length; i++) {
    const end = pixel + runs[i];
    if (i % 2 === 1 && isBlank) data.fill(classId, pixel, end);
    else if (i % 2 === 1) for (let at = pixel; at < end; at++) if (data[at] === 0) data[at] = classId;
    pixel = end;
  }
  return { size: labels.size, data };
}

/**
 * Labels to merge a mask of `size` into. A mask file of another size belongs to an image that was replaced since: if
 * only `classId` is in it nothing is lost by starting afresh, otherwise it is a UserError.
 */
export function labelsOfSize(labels: LabelMap, classId: number, size: Size, name: string): LabelMap {
  if (sameSize(labels.size, size)) return labels;
  if (valuesOf(labels).every((value) => value === classId)) return blankLabels(size);
  throw new UserError(
    `${name} is ${describeSize(labels.size)} but its image is ${describeSize(size)}, and it holds other classes.`,
  );
}
