/** Which files are taken for images by their names; a file without any suffix is judged by its content. */
import { extname, posix } from 'node:path';
import { isImageSuffix } from '../../formats/imageFormat';
import { isLitter } from './litter';

/** Whether a file of this name may be an image. */
export function mayBeImage(name: string): boolean {
  if (isLitter(name)) return false;
  const suffix = extname(name);
  return suffix === '' || isImageSuffix(suffix.slice(1));
}

export function hasImageSuffix(name: string): boolean {
  return mayBeImage(name) && extname(name) !== '';
}

/** Name of a file, given its posix path, without folder and suffix. */
export const stem = (path: string): string => posix.basename(path, posix.extname(path));
