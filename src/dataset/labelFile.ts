/** Mask files as labels, read by whoever is to do the work: this process, or an engine where this one must stay awake. */
import { readFile } from 'node:fs/promises';
import { type LabelRuns, toLabelRuns } from '../core/labelMap';
import { sha256 } from '../disk/hashing';
import { whenFree } from '../disk/patience';
import { explainReadError } from '../disk/storageError';
import { decodeMaskPng } from '../formats/maskPng';

/** Labels and SHA-256 of the mask PNG at an absolute path. Throws UserError if it cannot be read. */
export type LabelReader = (params: { mask: string }) => Promise<{ labels: LabelRuns; sha256: string }>;

/** Reads and decodes in this process: a mask of 64 megapixels holds it up for a second. */
export const readLabelFile: LabelReader = async ({ mask }) => {
  const bytes = await whenFree(() => readFile(mask)).catch((error: unknown) => {
    throw explainReadError(error, mask);
  });
  return { labels: toLabelRuns(decodeMaskPng(bytes, mask)), sha256: sha256(bytes) };
};
