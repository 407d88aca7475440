/** A copy of the labels of an image at a place that is none of its mask. */
import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { IGNORE, type LabelMap } from '../../core/pixels/labelMap';
import { UserError } from '../../core/userError';
import { createAtomic, hashIfPresent, replaceAtomic } from '../../disk/atomicFile';
import { encodeMaskPng } from '../../formats/maskPng';
import { absolutePath, isAmongImages } from '../files/folder';
import { type LabelReader, readLabelFile } from '../files/labelFile';
import { resolveMaskFolder } from '../files/maskFolder';
import type { Project } from '../project/project';
import { openProject, type ProjectDefaults } from '../project/setUp';

export interface CopyRequest {
  readonly root: string;
  /** Posix path relative to the root. */
  readonly image: string;
  /** As for a save. */
  readonly labels: LabelMap;
  /** Absolute path that a person chose. */
  readonly target: string;
  readonly onEncoded?: () => void;
}

export interface CopyOptions {
  /** What a root without a project file is taken to have. */
  readonly defaults?: ProjectDefaults;
  readonly readLabels?: LabelReader;
}

/**
 * Writes labels to any place that is none of an image: a new PNG outside the images of the root, or one that holds a
 * mask already. The journal is not told: it is about the mask folder.
 *
 * @throws UserError for any other place, or if the disk refuses
 */
export async function writeCopy(
  { root, image, labels, target, onEncoded }: CopyRequest,
  { defaults, readLabels = readLabelFile }: CopyOptions = {},
): Promise<void> {
  const project = await openProject(root, {}, defaults);
  const known = await copyTarget(root, project, absolutePath(root, image), target, readLabels);
  const bytes = await encodeMaskPng(labels, project.classes);
  onEncoded?.();
  const written = known === null ? await createAtomic(target, bytes) : await replaceAtomic(target, bytes, known);
  if (!written) throw new UserError(`${target} has been changed by another program just now: try again.`);
}

/** Hash of the mask that a copy may replace, null for a place that is free. Throws UserError for any other. */
async function copyTarget(
  root: string,
  project: Project,
  image: string,
  target: string,
  readLabels: LabelReader,
): Promise<string | null> {
  if (await isSameFile(image, target)) {
    throw new UserError(`${target} is the image itself, which is never written: choose another name for the mask.`);
  }
  if (extname(target).toLowerCase() !== '.png') {
    throw new UserError(`A mask is a PNG file: choose a name that ends in .png, not "${basename(target)}".`);
  }
  const exists = (await hashIfPresent(target)) !== null;
  if (isAmongImages(root, resolveMaskFolder(root, project.maskFolder), target)) {
    throw new UserError(
      exists
        ? `${target} is one of the images of ${root} and is not replaced: choose another name.`
        : `${target} would be taken for one of the images of ${root}: choose the mask folder, or another place.`,
    );
  }
  if (!exists) return null;
  const { labels, sha256: hash } = await readMask(target, readLabels);
  const values = new Set(labels.values);
  values.delete(0);
  const isForeign = (value: number) => value !== IGNORE && !project.classes.some(({ id }) => id === value);
  // One value is a mask of another program; several that are no classes are a grey picture.
  if (values.size > 1 && [...values].some(isForeign)) throw notMask(target);
  return hash;
}

async function readMask(mask: string, readLabels: LabelReader): ReturnType<LabelReader> {
  try {
    return await readLabels({ mask });
  } catch (error) {
    if (error instanceof UserError) throw notMask(mask, error);
    throw error;
  }
}

const notMask = (path: string, cause?: unknown): UserError =>
  new UserError(`${path} is not a mask and is not replaced: choose another name.`, { cause });

/** Whether two paths lead to one file, through links or a file system that ignores case too. */
async function isSameFile(a: string, b: string): Promise<boolean> {
  if (resolve(a) === resolve(b)) return true;
  const [one, other] = await Promise.all([a, b].map((path) => stat(path, { bigint: true }).catch(() => null)));
  return one !== null && other !== null && one.ino === other.ino && one.dev === other.dev;
}
