/** Masks as tests read them, in this process. */
import { readFile } from 'node:fs/promises';
import { type Size, sameSize } from '../src/core/geometry';
import { describeMisfit } from '../src/core/maskFiles/maskFit';
import { readObject } from '../src/core/maskFiles/maskReading';
import { type LabelMap, valuesOf } from '../src/core/pixels/labelMap';
import { createMask, type Mask, toRuns } from '../src/core/pixels/mask';
import { UserError } from '../src/core/userError';
import { FILE_KINDS, readNamed } from '../src/disk/guardedFile';
import { sha256 } from '../src/disk/hashing';
import { readMaskFile } from '../src/formats/maskFile';
import type { ImageInfo, ReferenceMask, ReferenceMaskRequest } from '../src/protocol/engineApi';

/** The pixels of one class: of the only value that there is, or of `classId`. */
export function binaryMaskOf(labels: LabelMap, classId: number): Mask {
  const values = valuesOf(labels);
  const object = values.length === 1 ? values[0] : classId;
  return { size: labels.size, data: labels.data.map((value) => (value === object ? 1 : 0)) };
}

/** The mask that uncompressed COCO run lengths describe: down the columns, alternating, starting with background. */
export function fromCocoCounts(counts: readonly number[], size: Size): Mask {
  const mask = createMask(size);
  let at = 0;
  counts.forEach((count, run) => {
    for (const end = at + count; at < end; at++) {
      mask.data[(at % size.height) * size.width + Math.floor(at / size.height)] = run % 2;
    }
  });
  return mask;
}

/** The mask of a labelled image, whose file needs no image library. */
export async function readMask({ mask }: { readonly mask: string }, classId: number): Promise<Mask> {
  return readObject(readMaskFile(await readFile(mask), mask)!, { classId, classIds: [classId] }, mask).mask;
}

/** What an engine answers that knows only files which need no image library. */
export async function readReference(
  { mask: path, ...question }: ReferenceMaskRequest,
  info: ImageInfo,
): Promise<ReferenceMask> {
  const bytes = await readNamed(path, FILE_KINDS.mask);
  if (bytes === null) throw new UserError(`Cannot read ${path}: it does not exist.`);
  const { mask, ...about } = readObject(readMaskFile(bytes, path)!, question, path);
  if (!sameSize(mask.size, info.size)) {
    throw new UserError(describeMisfit({ mask: path, image: question.image }, mask.size, info.size));
  }
  return { info, mask: toRuns(mask), sha256: sha256(bytes), turned: question.turned ?? false, ...about };
}
