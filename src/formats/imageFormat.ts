/** Which kind of image a file is, told by its first bytes and never by its name. */

export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'tiff' | 'bmp' | 'gif';

/** Formats that the engine decodes. */
export const SUPPORTED_FORMATS: ReadonlySet<ImageFormat> = new Set(['png', 'jpeg', 'webp', 'tiff', 'bmp']);

/** First bytes of a file that `imageFormatOf` needs at most. */
export const FORMAT_BYTES = 18;

/** Sizes that the header after the 14 bytes of a BMP's file header can have. */
const BMP_HEADER_SIZES: ReadonlySet<number> = new Set([12, 16, 40, 52, 56, 64, 108, 124]);

/** Format of a file that starts with `head` (the first FORMAT_BYTES bytes, or all if it is shorter), null if unknown. */
export function imageFormatOf(head: Uint8Array): ImageFormat | null {
  const starts = (text: string, offset = 0) =>
    head.length >= offset + text.length && [...text].every((c, i) => head[offset + i] === c.charCodeAt(0));
  if (starts('\x89PNG\r\n\x1a\n')) return 'png';
  if (starts('\xff\xd8\xff')) return 'jpeg';
  if (starts('RIFF') && starts('WEBP', 8)) return 'webp';
  // 42 is TIFF, 43 BigTIFF, in either byte order.
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((magic) => starts(magic))) return 'tiff';
  if (starts('GIF87a') || starts('GIF89a')) return 'gif';
  // Two letters are too little to go by: text may start with "BM".
  if (starts('BM') && head.length >= FORMAT_BYTES) {
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    if (view.getUint32(6, true) === 0 && BMP_HEADER_SIZES.has(view.getUint32(14, true))) return 'bmp';
  }
  return null;
}
