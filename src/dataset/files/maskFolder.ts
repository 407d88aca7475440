/** The folder of the masks, and where in it the mask of an image usually lies: `[images/]sub/b.jpg` -> `sub/b.png`. */
import { join, posix, relative, resolve, sep } from 'node:path';
import { UserError } from '../../core/userError';
import { stem } from './imageNames';

/** Leading folder that does not appear in a mask's path. */
export const IMAGES_FOLDER = 'images';

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

/** The places that the mask of an image may have: the usual one, then those that keep more of its name. */
export function usualPlaces(image: string): readonly [string, string, string] {
  const inner = withoutImagesFolder(image);
  return [posix.join(posix.dirname(inner), `${stem(inner)}.png`), `${inner}.png`, `${image}.png`];
}

/** Path of an image without the folder that does not appear in a mask's path. */
export function withoutImagesFolder(image: string): string {
  return image.startsWith(`${IMAGES_FOLDER}/`) ? image.slice(IMAGES_FOLDER.length + 1) : image;
}
