/**
 * Which images a folder holds. Paths of images are posix paths relative to the root, everywhere in the dataset room.
 */
import type { Stats } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path';
import { Outcome, UserError } from '../../core/userError';
import { openNamed } from '../../disk/guardedFile';
import { byCodeUnits, entriesIn } from '../../disk/listing';
import { realPath, spelledPath } from '../../disk/nameForms';
import { errorCode } from '../../disk/storageError';
import { FORMAT_BYTES, IMAGE_FORMATS, imageFormatOf, READ_FORMATS, whatInstead } from '../../formats/imageFormat';
import type { ImageFailure } from '../../protocol/runnerApi';
import { mapBounded } from './bounded';
import { hasImageSuffix, mayBeImage } from './imageNames';
import { isLitter } from './litter';
import { IMAGES_FOLDER, leaves } from './maskFolder';
import { isMaskFile, type MaskAmongImages, masksAmong } from './maskNames';

/** Folder in the root that holds the project file, the journal, instances and locks. */
export const PROJECT_FOLDER = '.apmedsam';

/** Files whose first bytes are read at the same time: enough to hide a network disk's latency. */
export const OPEN_FILES = 16;

export interface FolderScan {
  /** Readable images in code-unit order. */
  readonly images: readonly string[];
  /** Left out: files that look like masks of images beside them, unless they are targets themselves. */
  readonly masks: readonly MaskAmongImages[];
  /** Files that look like images and are not, in code-unit order. */
  readonly failures: readonly ImageFailure[];
  /** Folders below that are projects of their own and were left out. */
  readonly nested: readonly string[];
}

interface ScanOptions {
  /** Absolute; it is not searched. */
  readonly maskFolder: string;
  /** Absolute paths of the folders and images to take, all within the root; the whole root if empty. */
  readonly targets?: readonly string[];
}

/** Absolute path of a posix path relative to the root. */
export const absolutePath = (root: string, path: string): string => join(root, ...path.split('/'));

/** Posix path of an absolute path, relative to the root. */
export const relativePath = (root: string, path: string): string => relative(root, path).split(sep).join(posix.sep);

/** What a path that a person named stands for. Throws UserError if there is nothing. */
export function statOf(path: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    throw new UserError(`${path} does not exist or cannot be read.`, { cause: error });
  });
}

/**
 * Root of a clicked folder or image: the nearest folder from there upwards that holds `.apmedsam`, else the folder
 * itself, or its parent if it is called `images`. Throws UserError if `clicked` does not exist.
 */
export async function findRoot(clicked: string): Promise<string> {
  const info = await statOf(resolve(clicked));
  const path = await spelledPath(resolve(clicked));
  const folder = info.isDirectory() ? path : dirname(path);
  for (let at = folder; ; at = dirname(at)) {
    if (await isFolder(join(at, PROJECT_FOLDER))) return at;
    if (at === dirname(at)) break;
  }
  return basename(folder) === IMAGES_FOLDER ? dirname(folder) : folder;
}

/**
 * Images of a root, or of some folders and images in it.
 *
 * A file counts if its name has an image suffix, or no suffix at all and an image's content, or if it is a target
 * itself. Left out: masks of images beside them, dot files, dot folders and other litter, the mask folder, projects of
 * their own. Links are followed after everything else, and only to folders that were not searched and do not hold the
 * root, so that each file is found once.
 *
 * @throws UserError for a target outside the root and if nothing at all was found
 */
export async function scanFolder(root: string, options: ScanOptions): Promise<FolderScan> {
  const { targets = [] } = options;
  const scan = await findImages(root, options);
  if (scan.images.length + scan.failures.length === 0) {
    throw new Outcome(`${targets.join(', ') || root} holds no images: expected ${READ_FORMATS}.`);
  }
  return scan;
}

/** As `scanFolder`, for a root that may hold nothing. */
export async function findImages(root: string, { maskFolder, targets = [] }: ScanOptions): Promise<FolderScan> {
  const search = new Search(root, maskFolder, await realPath(maskFolder).catch(() => maskFolder));
  const chosen = await mapBounded(targets, OPEN_FILES, (target) => spelledPath(resolve(target)));
  for (const target of chosen.length > 0 ? chosen : [root]) await search.start(target);
  await search.followLinks();
  const candidates = [...search.candidates].sort(byCodeUnits);
  const images: string[] = [];
  const failures = [...search.failures];
  const named = new Set(chosen.map((target) => relativePath(root, target)));
  const verdicts = await mapBounded(candidates, OPEN_FILES, (image) => contentProblem(absolutePath(root, image)));
  candidates.forEach((image, i) => {
    const problem = verdicts[i];
    if (problem === null) images.push(image);
    else if (hasImageSuffix(basename(image)) || named.has(image)) failures.push({ image, message: problem });
  });
  const masks = await masksAmong(images, async (image) => !named.has(image) && isMaskFile(absolutePath(root, image)));
  const isMask = new Set(masks.map(({ mask }) => mask));
  return {
    images: masks.length === 0 ? images : images.filter((image) => !isMask.has(image)),
    masks,
    failures: failures.sort((a, b) => byCodeUnits(a.image, b.image)),
    nested: search.nested.sort(),
  };
}

/** Whether a search of the root would come upon a file of this path and name and take it for an image. */
export function isAmongImages(root: string, maskFolder: string, path: string): boolean {
  const inRoot = relative(root, path);
  if (leaves(inRoot) || !leaves(relative(maskFolder, path))) return false;
  return inRoot.split(sep).every((name) => !isLitter(name)) && mayBeImage(basename(path));
}

class Search {
  readonly candidates = new Set<string>();
  readonly failures: ImageFailure[] = [];
  readonly nested: string[] = [];
  /** Real paths of the folders searched. */
  private readonly searched = new Set<string>();
  /** Links to folders, to be followed when all real folders are known. */
  private links: string[] = [];

  constructor(
    private readonly root: string,
    private readonly maskFolder: string,
    /** Where the mask folder is, through links and however it is spelled. */
    private readonly realMaskFolder: string,
  ) {}

  async start(target: string): Promise<void> {
    if (target !== this.root && leaves(relative(this.root, target))) {
      throw new UserError(`${target} is not in ${this.root}: choose folders and images of one project at a time.`);
    }
    if (!leaves(relative(this.maskFolder, target))) return;
    if (await isFolder(target)) await this.searchFolder(target);
    else this.candidates.add(relativePath(this.root, target));
  }

  async followLinks(): Promise<void> {
    const realRoot = await realPath(this.root);
    while (this.links.length > 0) {
      const links = this.links.sort(byCodeUnits);
      this.links = [];
      for (const link of links) {
        const holdsRoot = !leaves(relative(await realPath(link), realRoot));
        if (!holdsRoot) await this.searchFolder(link);
      }
    }
  }

  private async searchFolder(folder: string): Promise<void> {
    const real = await realPath(folder);
    if (folder === this.maskFolder || real === this.realMaskFolder || this.searched.has(real)) return;
    this.searched.add(real);
    const path = relativePath(this.root, folder);
    const entries = await entriesIn(folder).catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      this.failures.push({ image: path, message: error.message });
      return [];
    });
    if (folder !== this.root && entries.some((entry) => entry.name === PROJECT_FOLDER && entry.isDirectory())) {
      this.nested.push(path);
      return;
    }
    for (const entry of entries) {
      if (isLitter(entry.name)) continue;
      const child = join(folder, entry.name);
      if (entry.isDirectory()) await this.searchFolder(child);
      else if (entry.isSymbolicLink() && (await isFolder(child))) this.links.push(child);
      // Never a pipe or a device: opening one may wait for ever.
      else if (entry.isFile() || entry.isSymbolicLink()) {
        if (mayBeImage(entry.name)) this.candidates.add(relativePath(this.root, child));
      }
    }
  }
}

/** What is wrong with a file as an image, judged by its first bytes; null if nothing is. */
async function contentProblem(path: string): Promise<string | null> {
  let head: Uint8Array;
  try {
    head = await readHead(path);
  } catch (error) {
    // Its turn comes later, and then it is waited for.
    if (errorCode(error) === 'EBUSY') return null;
    if (error instanceof UserError) return error.message;
    return `${path} cannot be read (${errorCode(error) ?? String(error)}).`;
  }
  const format = imageFormatOf(head);
  const facts = format && IMAGE_FORMATS[format];
  if (facts?.isRead) return null;
  if (facts) return `${path}: ${facts.name} is not supported yet, convert it to PNG.`;
  if (head.length === 0) return `${path} is empty (0 bytes); expected ${READ_FORMATS}.`;
  return `${path} ${whatInstead(head)}; expected ${READ_FORMATS}.`;
}

async function readHead(path: string): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await openNamed(path, { ms: 0 });
    const { bytesRead, buffer } = await file.read(new Uint8Array(FORMAT_BYTES), 0, FORMAT_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file?.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    // A path that cannot be looked at is no folder to search; as a file it is reported when it is read.
    return false;
  }
}
