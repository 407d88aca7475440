/**
 * The kinds of images: their suffixes, by which a folder is searched, and their first bytes, which alone tell what a
 * file is.
 */

type ImageFormat = 'png' | 'jpeg' | 'tiff' | 'webp' | 'bmp' | 'gif' | 'avif';

interface FormatFacts {
  /** What messages call it. */
  readonly name: string;
  /** Whether the engine decodes it. */
  readonly isRead: boolean;
  /** By which files are taken for images of it, in lower case and without the dot. */
  readonly suffixes: readonly string[];
}

export const IMAGE_FORMATS: Readonly<Record<ImageFormat, FormatFacts>> = {
  png: { name: 'PNG', isRead: true, suffixes: ['png'] },
  jpeg: { name: 'JPEG', isRead: true, suffixes: ['jpg', 'jpeg', 'jpe', 'jfif'] },
  tiff: { name: 'TIFF', isRead: true, suffixes: ['tif', 'tiff'] },
  webp: { name: 'WebP', isRead: true, suffixes: ['webp'] },
  bmp: { name: 'BMP', isRead: true, suffixes: ['bmp'] },
  gif: { name: 'GIF', isRead: false, suffixes: ['gif'] },
  // Told by content alone: in folders of images it is rare, and there it is passed over like a text.
  avif: { name: 'AVIF', isRead: false, suffixes: [] },
};

const FORMATS = Object.values(IMAGE_FORMATS);

/** What messages call the formats that are read. */
export const READ_FORMATS = 'PNG, JPEG, TIFF, WebP or BMP';

/** Suffixes of the images that are read; package.json has them too, where the editor and its menus are offered. */
export const READ_SUFFIXES: readonly string[] = FORMATS.flatMap(({ isRead, suffixes }) => (isRead ? suffixes : []));

/** Suffixes of a mask in any format that is read. */
export const MASK_SUFFIXES: readonly string[] = [...READ_SUFFIXES, 'npy'];

const IMAGE_SUFFIXES: ReadonlySet<string> = new Set(FORMATS.flatMap(({ suffixes }) => suffixes));

/** Whether a suffix (in any case, without the dot) is that of an image, also of one that is not read yet. */
export const isImageSuffix = (suffix: string): boolean => IMAGE_SUFFIXES.has(suffix.toLowerCase());

/** First bytes of formats that several readers ask for. */
export const MAGIC = { png: '\x89PNG\r\n\x1a\n', numpy: '\x93NUMPY', zip: 'PK\x03\x04' } as const;

/** Whether a file begins so, one byte for each character. */
export function startsWith(bytes: Uint8Array, text: string, offset = 0): boolean {
  if (bytes.length < offset + text.length) return false;
  for (let at = 0; at < text.length; at++) if (bytes[offset + at] !== text.charCodeAt(at)) return false;
  return true;
}

/** First bytes of a file that `imageFormatOf` and `whatInstead` need at most: NIfTI says what it is at byte 344. */
export const FORMAT_BYTES = 512;

/** First bytes of a BMP that show that it is one: its file header and the size of the header after it. */
const BMP_BYTES = 18;

/** Sizes that the header after the 14 bytes of a BMP's file header can have. */
const BMP_HEADER_SIZES: ReadonlySet<number> = new Set([12, 16, 40, 52, 56, 64, 108, 124]);

/**
 * Format of a file that starts with `head` (the first FORMAT_BYTES bytes, or more, or all if it is shorter), null if
 * unknown.
 */
export function imageFormatOf(head: Uint8Array): ImageFormat | null {
  const starts = (text: string, offset?: number) => startsWith(head, text, offset);
  if (starts(MAGIC.png)) return 'png';
  if (starts('\xff\xd8\xff')) return 'jpeg';
  if (starts('RIFF') && starts('WEBP', 8)) return 'webp';
  // 42 is TIFF, 43 BigTIFF, in either byte order.
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((magic) => starts(magic))) return 'tiff';
  if (starts('GIF87a') || starts('GIF89a')) return 'gif';
  if (starts('ftypavi', 4)) return 'avif';
  // Two letters are too little to go by: text may start with "BM".
  if (starts('BM') && head.length >= BMP_BYTES) {
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    if (view.getUint32(6, true) === 0 && BMP_HEADER_SIZES.has(view.getUint32(14, true))) return 'bmp';
  }
  return null;
}

/** First bytes of what people also keep in image folders, or find there where an image should be. */
const FOREIGN: readonly (readonly [what: string, offset: number, magic: string])[] = [
  ['a DICOM file', 128, 'DICM'],
  ['a NIfTI volume', 344, 'n+1\0'],
  ['a NIfTI volume', 344, 'ni1\0'],
  ['an NRRD volume', 0, 'NRRD'],
  ['a NumPy array', 0, MAGIC.numpy],
  ['an HDF5 file', 0, '\x89HDF\r\n\x1a\n'],
  ['a HEIC photo', 4, 'ftyphei'],
  ['a HEIC photo', 4, 'ftypmif1'],
  ['a JPEG 2000 image', 0, '\0\0\0\x0cjP'],
  ['a JPEG 2000 image', 0, '\xff\x4f\xff\x51'],
  ['a JPEG XL image', 0, '\xff\x0a'],
  ['a JPEG XL image', 0, '\0\0\0\x0cJXL '],
  ['a Photoshop document', 0, '8BPS'],
  ['a PDF document', 0, '%PDF'],
  ['a zip archive', 0, MAGIC.zip],
  ['a gzip archive', 0, '\x1f\x8b'],
  ['a Git LFS pointer, not the image itself (run "git lfs pull")', 0, 'version https://git-lfs'],
  ['a PNG whose line ends a program has converted as if it were text (copy it again as binary)', 0, '\x89PNG\n\x1a\n'],
];

const WEB_PAGE = /^(?:<!--|<\?xml[^>]*>|\s)*<(?:!doctype html|html|head|body)\b/i;

/** A file of fewer zeros may be anything. */
const BLANK_BYTES = 16;

/**
 * What a file is that is no image in a known format, told by its start as `imageFormatOf` is: the end of a sentence
 * that begins with its name.
 */
export function whatInstead(head: Uint8Array): string {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, FORMAT_BYTES)).toString('latin1');
  const found = FOREIGN.find(([, offset, magic]) => text.startsWith(magic, offset));
  if (found !== undefined) return `is ${found[0]}`;
  if (WEB_PAGE.test(text.replace(/^\xef\xbb\xbf/, ''))) {
    return 'is a web page (HTML), not the image itself (download it again)';
  }
  if (text.length >= BLANK_BYTES && /^\0+$/.test(text)) {
    return 'begins with nothing but zeros, as a broken copy or download leaves a file';
  }
  return 'is not an image';
}
