/** References of a project: made, checked against the disk, and read for the engine. */
import { join } from 'node:path';
import { describeSize, sameSize } from '../core/geometry';
import type { RunMask } from '../core/mask';
import { UserError } from '../core/userError';
import { hashIfPresent } from '../disk/atomicFile';
import { refuseLinks } from '../disk/guardedFile';
import { sha256File } from '../disk/hashing';
import { spelledPath } from '../disk/nameForms';
import { explainReadError, isAbsence } from '../disk/storageError';
import { binaryRunsOf } from '../formats/maskPng';
import type { ImageInfo } from '../protocol/engineApi';
import { PROJECT_FOLDER } from './folder';
import { type LabelReader, readLabelFile } from './labelFile';
import { type Project, type ProjectReference, resolveStored, storedPath } from './project';

/** What checking a reference needs of the engine. */
export interface ReferenceEngine {
  inspectImage(params: { image: string }): Promise<ImageInfo>;
}

/** A reference whose mask has been read. */
export interface LoadedReference {
  /** Absolute path. */
  readonly image: string;
  readonly imageHash: string;
  /** In referencePx. */
  readonly mask: RunMask;
  /** Absolute path of the mask's file. */
  readonly maskPath: string;
}

/** A reference whose image has been looked at too: the mask fits it. */
export interface CheckedReference extends LoadedReference {
  readonly info: ImageInfo;
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

/** Folder of the private copies of support masks. */
export const referenceFolder = (root: string): string => join(root, PROJECT_FOLDER, 'references');

/**
 * Where the private copy of a support mask lies, if there is one. The editor makes it when a reference is set, so that a
 * person who goes on painting on the mask, or a run of another class in the same file, changes the reference only when
 * it is set again. A copy is named after its content: nothing but that very mask can stand in for it.
 */
export const supportMaskCopy = (root: string, { maskHash }: Pick<ProjectReference, 'maskHash'>): string =>
  join(referenceFolder(root), `${maskHash}.png`);

/**
 * Reads a reference's mask: its private copy, else the file it was made from. Throws UserError if the image was removed
 * or changed since the reference was made, or a mask without a copy was, and for a mask that is unreadable, empty or full.
 */
export async function loadReference(
  root: string,
  reference: ProjectReference,
  read: LabelReader = readLabelFile,
): Promise<LoadedReference> {
  const { imageHash, maskHash } = reference;
  const image = await spelledPath(resolveStored(root, reference.image));
  if ((await hashToRead('image', image)) !== imageHash) throw changed('image', image);
  const copy = supportMaskCopy(root, reference);
  await refuseLinks(copy, root);
  const path = (await hashIfPresent(copy)) === maskHash ? copy : await spelledPath(resolveStored(root, reference.mask));
  if (path !== copy && (await hashToRead('mask', path)) !== maskHash) throw changed('mask', path);
  const found = await read({ mask: path });
  if (found.sha256 !== maskHash) throw changed('mask', path);
  const mask = binaryRunsOf(found.labels, reference.class, path);
  if (mask.runs.length === 1) throw new UserError(`The reference mask ${path} is empty: mark the object in it.`);
  if (mask.runs.length === 2 && mask.runs[0] === 0) {
    throw new UserError(`The reference mask ${path} covers the whole image: leave the background unmarked.`);
  }
  return { image, imageHash, mask, maskPath: path };
}

/** Reads a reference as `loadReference` does. Throws UserError also if mask and image differ in size. */
export async function checkReference(
  root: string,
  reference: ProjectReference,
  engine: ReferenceEngine,
  read?: LabelReader,
): Promise<CheckedReference> {
  const loaded = await loadReference(root, reference, read);
  const { image, mask, maskPath } = loaded;
  const info = await engine.inspectImage({ image });
  if (!sameSize(mask.size, info.size)) {
    throw new UserError(
      `The reference mask ${maskPath} is ${describeSize(mask.size)} but its image ${image} is ${describeSize(info.size)}.`,
    );
  }
  return { ...loaded, info };
}

/** The references of a class that vote in a run. */
export interface Voters {
  /** The one that was chosen, then the class's others as they are stored. */
  readonly references: readonly (CheckedReference & Pick<ProjectReference, 'maskHash'>)[];
  /** What a person should know of them. */
  readonly notes: readonly string[];
}

/**
 * The references that vote, `most` at most. Others than the chosen one are left out where they cannot be used, which is
 * told; so that one damaged file among several does not stop a run.
 *
 * @param checked the chosen one
 */
export async function votingReferences(
  root: string,
  { classes, references }: Project,
  chosen: ProjectReference,
  checked: CheckedReference,
  { engine, most, read }: { engine: ReferenceEngine; most: number; read?: LabelReader | undefined },
): Promise<Voters> {
  const { maskHash } = chosen;
  const voters = [{ ...checked, maskHash }];
  const notes: string[] = [];
  const isChosen = (one: ProjectReference) =>
    one.image === chosen.image && one.imageHash === chosen.imageHash && one.maskHash === maskHash;
  const ofClass = references.filter((one) => one.class === chosen.class);
  for (const one of ofClass) {
    if (voters.length >= most) break;
    if (isChosen(one)) continue;
    try {
      voters.push({ ...(await checkReference(root, one, engine, read)), maskHash: one.maskHash });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      notes.push(`left out: ${error.message}`);
    }
  }
  const name = classes.find(({ id }) => id === chosen.class)?.name;
  const count = Math.max(ofClass.length, voters.length);
  if (voters.length > 1) notes.unshift(`"${name}" has ${count} references, of which ${voters.length} vote.`);
  else if (count > 1) notes.unshift(`"${name}" has ${count} references, of which one is used: ${chosen.image}.`);
  return { references: voters, notes };
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
