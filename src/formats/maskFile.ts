/** Mask files of any kind: PNG, BMP and NumPy arrays are read here, what an image library decodes is told apart. */
import type { MaskSamples } from '../core/maskFiles/maskSamples';
import { UserError } from '../core/userError';
import { decodeBmp, readBmpHeader } from './bmp';
import { imageFormatOf, MAGIC, startsWith, whatInstead } from './imageFormat';
import { isNpy, readNpy } from './npy';
import { endsAsPng } from './pngChunks';
import { checkPng, MASK_PIXEL_LIMIT, readPng } from './pngSamples';

/** What a mask may be, for messages. */
export const MASK_FORMATS = 'PNG, TIFF, JPEG, WebP, BMP or NPY';

/**
 * Samples of a mask file; null for one that only an image library can decode.
 *
 * @param name the file's name for messages
 * @throws UserError for a damaged file, and for what is no mask at all
 */
export function readMaskFile(bytes: Uint8Array, name: string): MaskSamples | null {
  if (isNpy(bytes)) return readNpy(bytes, name, MASK_PIXEL_LIMIT);
  switch (imageFormatOf(bytes)) {
    case 'png':
      return readPng(bytes, name);
    case 'bmp': {
      const { header, data } = decodeBmp(bytes, name);
      return { size: header.size, channels: header.channels, samples: data, white: 255, palette: [] };
    }
    case null:
      throw notMask(bytes, name);
    default:
      return null;
  }
}

/**
 * Throws UserError for a file that is no mask, or one that has been cut or altered since it was written. Decodes
 * nothing.
 */
export function checkMaskFile(bytes: Uint8Array, name: string): void {
  if (isNpy(bytes)) return;
  const format = imageFormatOf(bytes);
  if (format === null) throw notMask(bytes, name);
  if (format === 'png') checkPng(bytes, name);
  if (format === 'bmp') readBmpHeader(bytes, name);
}

/** Bytes at either end of a file that `checkMaskEnds` looks at. */
export const END_BYTES = 64;

/**
 * As `checkMaskFile`, for all masks of a folder at a glance: by their first and last bytes, of which damage may leave
 * both.
 */
export function checkMaskEnds(head: Uint8Array, tail: Uint8Array, name: string): void {
  if (isNpy(head)) return;
  const format = imageFormatOf(head);
  if (format === null) throw notMask(head, name);
  if (format === 'png' && !endsAsPng(tail)) {
    throw new UserError(`${name} is damaged: it begins as a PNG but has not the end of one.`);
  }
}

function notMask(head: Uint8Array, name: string): UserError {
  const instead = startsWith(head, MAGIC.zip)
    ? 'is an archive (NPZ or zip), of which the one array should be saved alone'
    : whatInstead(head);
  return new UserError(`${name} ${instead}; expected a mask as ${MASK_FORMATS}.`);
}
