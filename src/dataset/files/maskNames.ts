/** Files that are called like the mask of an image that lies beside them, such as `x_mask.png` beside `x.png`. */
import { dirname, extname, join, posix } from 'node:path';
import { type FileKind, readNamed } from '../../disk/guardedFile';
import { entriesIn } from '../../disk/listing';
import { pathKey } from '../../disk/nameForms';
import { looksLikeMask } from '../../formats/maskLikeness';
import { mayBeImage } from './imageNames';

/** What follows the image's name in that of its mask, with a number where an image has several. */
const SUFFIX =
  /[-_. ](?:masks?|labels?|seg|segmentations?|segmented|gt|ground[-_ ]?truth|annotations?|lesion)(?:[-_ ]?\d{1,3})?$/i;

/** A file of more bytes is no mask that anybody means. */
const SUSPECT: FileKind = { name: 'a mask beside its image', mostBytes: 1 << 26 };

export interface MaskAmongImages {
  /** Posix paths relative to the root. */
  readonly mask: string;
  readonly image: string;
}

/** Finds among images (posix paths) those that are masks of others by name and, as `read` tells, by content. */
export async function masksAmong(
  images: readonly string[],
  isMask: (image: string) => Promise<boolean>,
): Promise<MaskAmongImages[]> {
  const suspects = images.filter((image) => stemOfImage(image) !== null);
  if (suspects.length === 0) return [];
  const byStem = new Map(images.map((image) => [pathKey(withoutSuffix(image)), image]));
  const found: MaskAmongImages[] = [];
  for (const mask of suspects) {
    const image = byStem.get(pathKey(stemOfImage(mask)!));
    if (image !== undefined && (await isMask(mask))) found.push({ mask, image });
  }
  return found;
}

/** Whether a file's content is that of a mask; a file that cannot be read is none. */
export async function isMaskFile(path: string): Promise<boolean> {
  try {
    const bytes = await readNamed(path, SUSPECT);
    return bytes !== null && looksLikeMask(bytes);
  } catch {
    // Unreadable or too long: as an image it is reported when it is its turn.
    return false;
  }
}

/** Absolute paths of the files beside an image (absolute path) that are its mask by name and content. */
export async function masksBeside(image: string): Promise<string[]> {
  const folder = dirname(image);
  const names = (await entriesIn(folder)).filter((entry) => !entry.isDirectory() && mayBeImage(entry.name));
  const own = pathKey(withoutSuffix(image.split(/[\\/]/).at(-1)!));
  const found: string[] = [];
  for (const { name } of names) {
    const stem = stemOfImage(name);
    if (stem !== null && pathKey(stem) === own && (await isMaskFile(join(folder, name))))
      found.push(join(folder, name));
  }
  return found;
}

/** Path without suffixes of the image that a file is called the mask of, null if it is not called a mask. */
function stemOfImage(path: string): string | null {
  const whole = withoutSuffix(path);
  const stem = whole.replace(SUFFIX, '');
  return stem === whole || posix.basename(stem) === '' ? null : stem;
}

const withoutSuffix = (path: string): string => path.slice(0, path.length - extname(path).length);
