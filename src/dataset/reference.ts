/** References of a project: made, checked against the disk, and read for the engine. */
import { readFile } from 'node:fs/promises';
import { describeSize, sameSize } from '../core/geometry';
import { isEmpty, isFull, type Mask } from '../core/mask';
import { UserError } from '../core/userError';
import { sha256, sha256File } from '../disk/hashing';
import { explainReadError, isAbsence } from '../disk/storageError';
import { binaryMaskOf, decodeMaskPng } from '../formats/maskPng';
import { type ProjectReference, resolveStored, storedPath } from './project';

/** A reference whose mask has been read. */
export interface LoadedReference {
  /** Absolute path. */
  readonly image: string;
  readonly imageHash: string;
  /** In referencePx. */
  readonly mask: Mask;
  /** Absolute path of the mask's file. */
  readonly maskPath: string;
}

/** A reference of class `classId` as project.json keeps it. Paths are absolute; throws UserError if one is unreadable. */
export async function makeReference(
  root: string,
  classId: number,
  image: string,
  mask: string,
): Promise<ProjectReference> {
  const [imageHash, maskHash] = await Promise.all([hashToRead('image', image), hashToRead('mask', mask)]);
  return {
    class: classId,
    image: storedPath(root, image),
    mask: storedPath(root, mask),
    imageHash,
    maskHash,
  };
}

/**
 * Reads a reference's mask. Throws UserError if image or mask was removed or changed since the reference was made, and
 * for a mask that is unreadable, empty or full.
 */
export async function loadReference(root: string, reference: ProjectReference): Promise<LoadedReference> {
  const image = resolveStored(root, reference.image);
  const path = resolveStored(root, reference.mask);
  if ((await hashToRead('image', image)) !== reference.imageHash) throw changed('image', image);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable('mask', path, error);
  });
  if (sha256(bytes) !== reference.maskHash) throw changed('mask', path);
  const mask = binaryMaskOf(decodeMaskPng(bytes, path), reference.class, path);
  if (isEmpty(mask)) throw new UserError(`The reference mask ${path} is empty: mark the object in it.`);
  if (isFull(mask)) {
    throw new UserError(`The reference mask ${path} covers the whole image: leave the background unmarked.`);
  }
  return { image, imageHash: reference.imageHash, mask, maskPath: path };
}

/** Throws UserError unless mask and image have the same size. */
export function checkReferenceSize({ image, mask, maskPath }: LoadedReference, imageSize: Mask['size']): void {
  if (sameSize(mask.size, imageSize)) return;
  throw new UserError(
    `The reference mask ${maskPath} is ${describeSize(mask.size)} but its image ${image} is ${describeSize(imageSize)}.`,
  );
}

async function hashToRead(what: 'image' | 'mask', path: string): Promise<string> {
  return sha256File(path).catch((error: unknown) => {
    throw unreadable(what, path, error);
  });
}

function unreadable(what: 'image' | 'mask', path: string, error: unknown): unknown {
  if (!isAbsence(error)) return explainReadError(error, path);
  return new UserError(`The reference ${what} ${path} does not exist.`, { cause: error });
}

const changed = (what: string, path: string): UserError =>
  new UserError(`The reference ${what} ${path} has changed since the reference was set: set it again.`);
