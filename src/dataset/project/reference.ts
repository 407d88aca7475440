/** References of a project: made, checked against the disk, and read for the engine. */
import { basename, join } from 'node:path';
import type { MaskManner } from '../../core/maskFiles/maskReading';
import type { RunMask } from '../../core/pixels/mask';
import { NoEngineError, UserError } from '../../core/userError';
import { hashIfPresent } from '../../disk/atomicFile';
import { refuseLinks } from '../../disk/guardedFile';
import { sha256File } from '../../disk/hashing';
import { spelledPath } from '../../disk/nameForms';
import { explainReadError, isAbsence } from '../../disk/storageError';
import type { ImageInfo, ReferenceMask, ReferenceMaskRequest } from '../../protocol/engineApi';
import { PROJECT_FOLDER } from '../files/folder';
import { type Project, type ProjectClass, type ProjectReference, resolveStored, storedPath } from './project';

/** What checking a reference needs of the engine. */
export interface ReferenceEngine {
  readReference(params: ReferenceMaskRequest): Promise<ReferenceMask>;
}

/** A reference whose files have been looked at: the mask fits the image. */
export interface CheckedReference {
  /** Absolute path. */
  readonly image: string;
  readonly imageHash: string;
  /** In referencePx. */
  readonly mask: RunMask;
  /** Absolute path of the mask's file. */
  readonly maskPath: string;
  readonly info: ImageInfo;
  /** How its mask was read, where it is not plain: as `ProjectReference` keeps it. */
  readonly reading: ReferenceReading;
  /** What a person should know of how its mask was read. */
  readonly notes: readonly string[];
}

type ReferenceReading = Pick<ProjectReference, 'manner' | 'turned'>;

/**
 * A reference of class `classId` as project.json keeps it. Paths are absolute; throws UserError if one is unreadable.
 */
export async function makeReference(
  root: string,
  classId: number,
  image: string,
  mask: string,
): Promise<ProjectReference> {
  const [imageHash, maskHash] = await Promise.all([hashToRead('image', image), hashToRead('mask', mask)]);
  return {
    class: classId,
    image: storedPath(root, await spelledPath(image)),
    mask: storedPath(root, await spelledPath(mask)),
    imageHash,
    maskHash,
  };
}

/** Folder of the private copies of support masks. */
export const referenceFolder = (root: string): string => join(root, PROJECT_FOLDER, 'references');

/**
 * Where the private copy of a support mask lies, if there is one. The editor makes it when a reference is set, so that
 * a person who goes on painting on the mask, or a run of another class in the same file, changes the reference only
 * when it is set again. A copy is named after its content: nothing but that very mask can stand in for it.
 */
export const supportMaskCopy = (root: string, { maskHash }: Pick<ProjectReference, 'maskHash'>): string =>
  join(referenceFolder(root), `${maskHash}.png`);

/**
 * Reads a reference's mask: its private copy, else the file it was made from. Throws UserError if the image was removed
 * or changed since the reference was made, or a mask without a copy was, and for a mask that is unreadable, empty or
 * full, or does not fit the image.
 *
 * @param classes those of the project
 */
export async function checkReference(
  root: string,
  reference: ProjectReference,
  engine: ReferenceEngine,
  classes: readonly Pick<ProjectClass, 'id'>[],
): Promise<CheckedReference> {
  const { imageHash, maskHash } = reference;
  const image = await spelledPath(resolveStored(root, reference.image));
  if ((await hashToRead('image', image)) !== imageHash) throw changed('image', image);
  const copy = supportMaskCopy(root, reference);
  await refuseLinks(copy, root);
  const maskPath =
    (await hashIfPresent(copy)) === maskHash ? copy : await spelledPath(resolveStored(root, reference.mask));
  if (maskPath !== copy && (await hashToRead('mask', maskPath)) !== maskHash) throw changed('mask', maskPath);
  const { info, mask, sha256, manner, turned, notes } = await engine.readReference({
    image,
    mask: maskPath,
    classId: reference.class,
    classIds: classes.map(({ id }) => id),
    ...(reference.manner && { manner: reference.manner as MaskManner }),
    ...(reference.turned && { turned: true }),
  });
  if (sha256 !== maskHash) throw changed('mask', maskPath);
  if (mask.runs.length === 1) throw new UserError(`The reference mask ${maskPath} is empty: mark the object in it.`);
  if (mask.runs.length === 2 && mask.runs[0] === 0) {
    throw new UserError(`The reference mask ${maskPath} covers the whole image: leave the background unmarked.`);
  }
  const reading = { ...(!PLAIN.has(manner) && { manner }), ...(turned && { turned: true as const }) };
  const name = basename(reference.mask);
  return { image, imageHash, mask, maskPath, info, reading, notes: notes.map((note) => `${name}: ${note}`) };
}

/** Manners that the file itself says next time as well. */
const PLAIN: ReadonlySet<MaskManner> = new Set(['one value', 'classes']);

/** A reference with what was found of its mask, so that it is read alike for ever. */
export const withReading = (reference: ProjectReference, { reading }: CheckedReference): ProjectReference => ({
  ...reference,
  ...reading,
});

/** Two references of one class that stand on the same files. */
export const isSameReference = (a: ProjectReference, b: ProjectReference): boolean =>
  a.class === b.class && a.image === b.image && a.maskHash === b.maskHash && a.imageHash === b.imageHash;

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
  { engine, most }: { engine: ReferenceEngine; most: number },
): Promise<Voters> {
  const { maskHash } = chosen;
  const voters = [{ ...checked, maskHash }];
  const notes = [...checked.notes];
  const ofClass = references.filter((one) => one.class === chosen.class);
  for (const one of ofClass) {
    if (voters.length >= most) break;
    if (isSameReference(one, chosen)) continue;
    try {
      const found = await checkReference(root, one, engine, classes);
      voters.push({ ...found, maskHash: one.maskHash });
      notes.push(...found.notes);
    } catch (error) {
      if (!(error instanceof UserError) || error instanceof NoEngineError) throw error;
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
