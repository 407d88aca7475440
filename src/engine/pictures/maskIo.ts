/** Mask files of any kind: their samples, and the mask of a reference laid over its image. */
import { area, describeSize, longSide, type Size } from '../../core/geometry';
import { describeMisfit, fitOf, isTurned, outlineContrast, turnUpright } from '../../core/maskFiles/maskFit';
import { readObject } from '../../core/maskFiles/maskReading';
import type { MaskSamples } from '../../core/maskFiles/maskSamples';
import { type Mask, toRuns } from '../../core/pixels/mask';
import { resizeMaskNearest } from '../../core/pixels/raster';
import { UserError } from '../../core/userError';
import { FILE_KINDS, readNamed } from '../../disk/guardedFile';
import { sha256 } from '../../disk/hashing';
import { readMaskFile } from '../../formats/maskFile';
import type { ReferenceMask, ReferenceMaskRequest } from '../../protocol/engineApi';
import { type ImageFile, isDeep, isGrey, openImage, readHeader, whyUnreadable } from './imageFile';
import { readPicture } from './imagePixels';
import { decodeSamples } from './libvips';

/** Outlines are compared with images of at most this many pixels on the long side. */
const COMPARED_SIDE = 512;

/** Samples and SHA-256 of the file at an absolute path. Throws UserError where it cannot be read as a mask. */
export async function readMaskSamples(
  path: string,
  pixelLimit: number,
): Promise<{ readonly samples: MaskSamples; readonly sha256: string }> {
  const bytes = await readNamed(path, FILE_KINDS.mask);
  if (bytes === null) throw new UserError(`Cannot read ${path}: it does not exist.`);
  const samples = readMaskFile(bytes, path) ?? (await readStored(bytes, path, pixelLimit));
  return { samples, sha256: sha256(bytes) };
}

/**
 * The numbers of a file as they are stored, for masks: no window, no profile, no resizing, EXIF-upright; palettes and
 * CMYK as RGB. Throws UserError on damaged content and for more pixels than `pixelLimit`.
 */
export async function readStored(content: Buffer, path: string, pixelLimit: number): Promise<MaskSamples> {
  const header = await readHeader(path, content);
  const { autoOrient: size, depth, space, channels, page, tiff } = header;
  if (area(size) > pixelLimit)
    throw new UserError(`${path} is ${describeSize(size)}: expected at most ${pixelLimit} pixels.`);
  const kind = STORED[depth];
  if (kind === undefined) throw new UserError(`${path} holds numbers of the kind ${depth}, of which no mask is made.`);
  // Of several bands a grey space gives the first alone.
  const own = space === 'grey16' && channels > 1 ? 'rgb16' : space;
  const wanted = isDeep(header) ? own : isGrey(header) ? 'b-w' : 'srgb';
  try {
    const source = { content, page, size, ignoreIcc: true };
    const decoded = await decodeSamples(source, size, { depth: kind.depth, space: wanted });
    return { size, channels: decoded.channels, samples: decoded.samples, white: kind.white, palette: [] };
  } catch (cause) {
    throw new UserError(whyUnreadable(path, content, tiff), { cause });
  }
}

interface StoredKind {
  readonly depth: 'uchar' | 'ushort' | 'uint' | 'float';
  readonly white: number;
}

const STORED_WORDS: StoredKind = { depth: 'ushort', white: 65535 };
const STORED_FLOATS: StoredKind = { depth: 'float', white: 1 };
const STORED: Readonly<Record<string, StoredKind>> = {
  uchar: { depth: 'uchar', white: 255 },
  ushort: STORED_WORDS,
  // Negative numbers are no labels.
  short: STORED_WORDS,
  uint: { depth: 'uint', white: 65535 },
  float: STORED_FLOATS,
  double: STORED_FLOATS,
};

export async function readReferenceMask(
  { image, mask: path, turned, ...question }: ReferenceMaskRequest,
  pixelLimit: number,
): Promise<ReferenceMask> {
  const [file, { samples, sha256: hash }] = await Promise.all([
    openImage(image, pixelLimit),
    readMaskSamples(path, pixelLimit),
  ]);
  const { mask, manner, notes } = readObject(samples, question, path);
  // Indices of a palette are what an editor wrote that showed the image upright.
  const isOurs = samples.palette.length > 0;
  const laid = await layOver(mask, file, path, turned ?? (isOurs ? false : undefined));
  const { info } = file;
  const all = [...notes, ...laid.notes];
  return { info, mask: toRuns(laid.mask), sha256: hash, manner, turned: laid.turned, notes: all };
}

/** The mask as it lies on the upright image. Throws UserError where it fits the image neither way. */
async function layOver(
  mask: Mask,
  file: ImageFile,
  path: string,
  known: boolean | undefined,
): Promise<{ readonly mask: Mask; readonly turned: boolean; readonly notes: readonly string[] }> {
  const { size, orientation = 1 } = file.info;
  const fit = fitOf(mask.size, size, orientation);
  if (fit === 'neither') {
    throw new UserError(describeMisfit({ mask: path, image: file.path }, mask.size, size, orientation));
  }
  const asItIs = { mask, turned: false, notes: [] };
  if (fit === 'upright' || (fit === 'both' && known === false)) return asItIs;
  const turned: Mask = turnUpright(mask, orientation);
  const about = `EXIF orientation ${orientation} of its image`;
  const turnedUpright = {
    mask: turned,
    turned: true,
    notes: [`drawn on the stored pixels: it was turned upright by the ${about}`],
  };
  if (fit === 'stored' || known === true) return turnedUpright;
  const picture = await readPicture(file, comparedSize(size));
  const contrast = (one: Mask) => outlineContrast(resizeMaskNearest(one, picture.size), picture);
  const answer = isTurned(contrast(mask), contrast(turned));
  if (answer === 'yes') return turnedUpright;
  const doubt = `it may have been drawn on the stored pixels (${about}): look whether it lies on the object`;
  return answer === 'perhaps' ? { ...asItIs, notes: [doubt] } : asItIs;
}

function comparedSize(size: Size): Size {
  const scale = Math.min(1, COMPARED_SIDE / longSide(size));
  return { width: Math.max(1, Math.round(size.width * scale)), height: Math.max(1, Math.round(size.height * scale)) };
}
