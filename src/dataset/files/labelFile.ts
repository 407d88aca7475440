/**
 * Mask files as labels, read by whoever is to do the work: this process, or an engine where this one must stay awake.
 */

import { readLabelMap } from '../../core/maskFiles/maskReading';
import { toLabelRuns } from '../../core/pixels/labelMap';
import { UserError } from '../../core/userError';
import { FILE_KINDS, readNamed } from '../../disk/guardedFile';
import { sha256 } from '../../disk/hashing';
import { readMaskFile } from '../../formats/maskFile';
import type { FileLabels, LabelsRequest } from '../../protocol/engineApi';

/** Labels and SHA-256 of the mask file at an absolute path. Throws UserError if it cannot be read. */
export type LabelReader = (params: LabelsRequest) => Promise<FileLabels>;

/**
 * Reads and decodes in this process: a mask of 64 megapixels holds it up for a second. Formats that only an engine
 * decodes are refused.
 */
export const readLabelFile: LabelReader = async ({ mask, classIds = [], isForeign = false }) => {
  const bytes = await readNamed(mask, FILE_KINDS.mask);
  if (bytes === null) throw new UserError(`Cannot read ${mask}: it does not exist.`);
  const samples = readMaskFile(bytes, mask);
  if (samples === null) throw new UserError(`${mask} is not a PNG: expected a mask PNG.`);
  const { labels, ...about } = readLabelMap(samples, { classIds, isForeign }, mask);
  return { labels: toLabelRuns(labels), sha256: sha256(bytes), ...about };
};
