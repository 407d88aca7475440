/** Where the mask of an image lies: `[images/]sub/b.jpg` -> `<mask folder>/sub/b.png`. */
import { dirname, extname, join, posix, relative, resolve, sep } from 'node:path';
import { UserError } from '../core/userError';
import { entriesIn } from '../disk/listing';
import { isLitter } from './litter';

/** Leading folder that does not appear in a mask's path. */
export const IMAGES_FOLDER = 'images';

/** Suffixes by which a file is taken for an image, in lower case; a file without any suffix is judged by its content. */
const IMAGE_SUFFIXES: ReadonlySet<string> = new Set([
  '.png',
  '.jpg',
  '.jpeg',
  '.jpe',
  '.jfif',
  '.webp',
  '.tif',
  '.tiff',
  '.bmp',
  '.gif',
]);

/** Whether a file of this name may be an image. */
export function mayBeImage(name: string): boolean {
  if (isLitter(name)) return false;
  const suffix = extname(name).toLowerCase();
  return suffix === '' || IMAGE_SUFFIXES.has(suffix);
}

export function hasImageSuffix(name: string): boolean {
  return mayBeImage(name) && extname(name) !== '';
}

/**
 * Absolute mask folder of a setting (absolute, or relative to the root). Throws UserError for a folder in which masks
 * would lie among the images.
 */
export function resolveMaskFolder(root: string, setting: string): string {
  const folder = resolve(root, setting);
  const holdsRoot = !leaves(relative(folder, root));
  if (setting === '' || holdsRoot || folder === join(root, IMAGES_FOLDER)) {
    throw new UserError(`The mask folder ${folder} would mix masks with images: choose a folder of its own.`);
  }
  return folder;
}

/** Whether a relative path leads out of the folder it starts from (to another drive, on Windows). */
export function leaves(path: string): boolean {
  return path === '..' || path.startsWith(`..${sep}`) || resolve(path) === path;
}

/** Finds masks. It remembers folder listings, so make a new one for each operation. */
export class MaskLocator {
  /** For each folder, relative to the root: lower-case image names by their stem. */
  private readonly listings = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>();

  /** @param maskFolder absolute, see `resolveMaskFolder` */
  constructor(
    private readonly root: string,
    private readonly maskFolder: string,
  ) {}

  /**
   * Absolute path of the mask of `image` (posix path relative to the root). Images that share a stem keep their suffix:
   * `b.jpg.png`. Whether names are shared is decided by names alone, ignoring case, since a disk may ignore it as well.
   */
  async locate(image: string): Promise<string> {
    const inner = withoutImagesFolder(image);
    // The folder whose masks go to the same place: with `images/` in front, or without.
    const twin = inner === image ? posix.join(IMAGES_FOLDER, image) : inner;
    const twins = await this.sharing(twin);
    const sharing = (await this.sharing(image)).length + twins.length;
    if (sharing <= 1) return join(this.maskFolder, dirname(inner), `${stem(inner)}.png`);
    // Both b.jpg and images/b.jpg: only the whole path tells them apart.
    const path = twins.includes(posix.basename(image).toLowerCase()) ? image : inner;
    return join(this.maskFolder, `${path}.png`);
  }

  /** Lower-case names of the images in the folder of `path` that have its stem. */
  private async sharing(path: string): Promise<readonly string[]> {
    const folder = posix.dirname(path);
    let listing = this.listings.get(folder);
    if (listing === undefined) {
      listing = namesByStem(join(this.root, folder));
      this.listings.set(folder, listing);
    }
    return (await listing).get(stem(path).toLowerCase()) ?? [];
  }
}

async function namesByStem(folder: string): Promise<Map<string, string[]>> {
  const byStem = new Map<string, string[]>();
  for (const entry of await entriesIn(folder)) {
    if (entry.isDirectory() || !mayBeImage(entry.name)) continue;
    const name = entry.name.toLowerCase();
    byStem.set(stem(name), [...(byStem.get(stem(name)) ?? []), name]);
  }
  return byStem;
}

function withoutImagesFolder(image: string): string {
  return image.startsWith(`${IMAGES_FOLDER}/`) ? image.slice(IMAGES_FOLDER.length + 1) : image;
}

const stem = (path: string): string => posix.basename(path, posix.extname(path));
