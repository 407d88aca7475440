/**
 * What a TIFF says of its pages before any pixel is decoded: TIFF 6.0 and BigTIFF in both byte orders, with GDAL's tag
 * for missing values. Nothing in the file is believed further than its bytes reach: a chain of directories that bites
 * its tail ends there, and a list longer than the file is known by its length alone.
 */
import { describeSize, type Size } from '../core/geometry';
import { imageFormatOf, startsWith } from './imageFormat';

/** One image file directory of the main chain. */
export interface TiffPage {
  readonly size: Size;
  /** Bits per sample, of the first one. */
  readonly bits: number;
  /** See SAMPLE_FORMAT; unsigned where the file says nothing. */
  readonly sampleFormat: number;
  /** See PHOTOMETRIC; -1 where the file says nothing. */
  readonly photometric: number;
  /** TIFF's number of the compression; 1 is none. */
  readonly compression: number;
  readonly samplesPerPixel: number;
  /** What the samples beyond those of the colour model mean, in order: see EXTRA_SAMPLE. */
  readonly extraSamples: readonly number[];
  /** Whether each sample has strips or tiles of its own. */
  readonly planar: boolean;
  /** A smaller version of another page, or a mask of one. */
  readonly reduced: boolean;
  /** Size of a tile; null where the page is in strips. */
  readonly tile: Size | null;
  /** Strips or tiles that the size asks for. */
  readonly chunksNeeded: number;
  /** Strips or tiles that the file tells the place of; those whose entry lies beyond its end do not count. */
  readonly chunksListed: number;
  /**
   * The number that stands for "no value here" (GDAL_NODATA), which may be NaN; undefined where the file names none.
   */
  readonly nodata?: number;
}

const SAMPLE_FORMAT = {
  unsigned: 1,
  signed: 2,
  float: 3,
  undefined: 4,
  complexInt: 5,
  complexFloat: 6,
} as const;

export const PHOTOMETRIC = { whiteIsZero: 0, blackIsZero: 1, rgb: 2, palette: 3, mask: 4, cmyk: 5, ycbcr: 6 } as const;

export const EXTRA_SAMPLE = { unspecified: 0, associatedAlpha: 1, opacity: 2 } as const;

const TAG = {
  newSubfileType: 254,
  subfileType: 255,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  planar: 284,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  extraSamples: 338,
  sampleFormat: 339,
  nodata: 42113,
} as const;

/** Bytes of one value, by TIFF's number of the type. */
const TYPE_BYTES: Readonly<Record<number, number>> = {
  ...{ 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8 },
};

/** The version of a TIFF whose positions have 64 bits. */
const BIG_TIFF = 43;

/** Pages that are looked at; a stack may have more, whose sizes say nothing new. */
const MOST_PAGES = 4096;

/** Tags of a page that are looked at; no writer knows that many. */
const MOST_TAGS = 1024;

/** Values of one tag that are read: enough for extra samples and for a number as text. */
const MOST_VALUES = 256;

/** Of NewSubfileType. */
const REDUCED = 1;
const TRANSPARENCY_MASK = 4;
/** Of the older SubfileType. */
const REDUCED_BEFORE = 2;

/**
 * The pages of the main chain, null for bytes that do not begin like a TIFF; none where not even one directory is
 * whole.
 */
export function readTiffPages(bytes: Uint8Array): TiffPage[] | null {
  const file = openTiff(bytes);
  if (file === null) return null;
  const pages: TiffPage[] = [];
  const seen = new Set<number>();
  for (let at = file.first; at > 0 && !seen.has(at) && pages.length < MOST_PAGES; ) {
    seen.add(at);
    const directory = readDirectory(file, at);
    if (directory === null) break;
    pages.push(pageOf(directory));
    at = directory.next;
  }
  return pages;
}

/**
 * Index of the page to look at: the largest one that is no reduced version of another, the first of equals. 0 where
 * there is none to choose from.
 */
export function mainPage(pages: readonly TiffPage[]): number {
  let best = 0;
  pages.forEach((page, index) => {
    if (rank(page) > rank(pages[best])) best = index;
  });
  return best;
}

/** Orders reduced pages behind all others. */
const rank = ({ size, reduced }: TiffPage): number => {
  const pixels = size.width * size.height;
  return reduced ? pixels / (1 + pixels) : pixels;
};

interface TiffFile {
  readonly view: DataView;
  readonly little: boolean;
  readonly big: boolean;
  /** Position of the first directory. */
  readonly first: number;
}

/** A tag's values: where they are, and how many the file really holds. */
interface Entry {
  readonly type: number;
  readonly count: number;
  readonly at: number;
}

interface Directory {
  readonly file: TiffFile;
  readonly entries: ReadonlyMap<number, Entry>;
  /** Position of the next directory, 0 after the last. */
  readonly next: number;
}

function openTiff(bytes: Uint8Array): TiffFile | null {
  if (imageFormatOf(bytes) !== 'tiff' || bytes.length < 8) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = startsWith(bytes, 'II');
  const big = view.getUint16(2, little) === BIG_TIFF;
  if (!big) return { view, little, big, first: view.getUint32(4, little) };
  return bytes.length < 16 ? null : { view, little, big, first: Number(view.getBigUint64(8, little)) };
}

/** Null where the directory does not lie in the file. */
function readDirectory(file: TiffFile, at: number): Directory | null {
  const { view, little, big } = file;
  const [countBytes, entryBytes, wordBytes] = big ? [8, 20, 8] : [2, 12, 4];
  if (at + countBytes > view.byteLength) return null;
  const count = big ? Number(view.getBigUint64(at, little)) : view.getUint16(at, little);
  const start = at + countBytes;
  const end = start + count * entryBytes;
  if (count > MOST_TAGS || end > view.byteLength) return null;
  const entries = new Map<number, Entry>();
  for (let entry = start; entry < end; entry += entryBytes) {
    const type = view.getUint16(entry + 2, little);
    const size = TYPE_BYTES[type] ?? 0;
    const stated = word(file, entry + 4);
    const values = entry + 4 + wordBytes;
    const place = size * stated <= wordBytes ? values : word(file, values);
    const held = size > 0 && place < view.byteLength ? Math.floor((view.byteLength - place) / size) : 0;
    entries.set(view.getUint16(entry, little), { type, count: Math.min(stated, held), at: place });
  }
  // A file may end right after its last directory.
  const next = end + wordBytes <= view.byteLength ? word(file, end) : 0;
  return { file, entries, next };
}

function word({ view, little, big }: TiffFile, at: number): number {
  return big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
}

/** The first values of a tag as numbers; none where it is missing or of a type that holds none. */
function numbersOf({ file, entries }: Directory, tag: number): number[] {
  const { view, little } = file;
  const entry = entries.get(tag);
  if (entry === undefined) return [];
  const read: Readonly<Record<number, (at: number) => number>> = {
    1: (at) => view.getUint8(at),
    3: (at) => view.getUint16(at, little),
    4: (at) => view.getUint32(at, little),
    16: (at) => Number(view.getBigUint64(at, little)),
  };
  const one = read[entry.type];
  if (one === undefined) return [];
  const count = Math.min(entry.count, MOST_VALUES);
  return Array.from({ length: count }, (_, i) => one(entry.at + i * TYPE_BYTES[entry.type]));
}

function textOf({ file, entries }: Directory, tag: number): string | undefined {
  const entry = entries.get(tag);
  if (entry?.type !== 2) return undefined;
  const bytes = Array.from({ length: Math.min(entry.count, MOST_VALUES) }, (_, i) => file.view.getUint8(entry.at + i));
  return String.fromCharCode(...bytes)
    .split('\0', 1)[0]
    .trim();
}

function pageOf(directory: Directory): TiffPage {
  const number = (tag: number, otherwise: number): number => numbersOf(directory, tag)[0] ?? otherwise;
  const size = { width: number(TAG.width, 0), height: number(TAG.height, 0) };
  const samplesPerPixel = number(TAG.samplesPerPixel, 1);
  const planar = number(TAG.planar, 1) === 2;
  const tile = directory.entries.has(TAG.tileWidth)
    ? { width: number(TAG.tileWidth, 0), height: number(TAG.tileHeight, 0) }
    : null;
  // One strip where the file does not say otherwise: TIFF 6.0, RowsPerStrip.
  const chunk = tile ?? { width: size.width, height: Math.min(size.height, number(TAG.rowsPerStrip, size.height)) };
  const perSample = Math.ceil(size.width / chunk.width) * Math.ceil(size.height / chunk.height);
  const offsets = directory.entries.get(tile ? TAG.tileOffsets : TAG.stripOffsets);
  const nodata = nodataOf(textOf(directory, TAG.nodata));
  const subfile = number(TAG.newSubfileType, 0);
  return {
    size,
    bits: number(TAG.bits, 1),
    sampleFormat: number(TAG.sampleFormat, SAMPLE_FORMAT.unsigned),
    photometric: number(TAG.photometric, -1),
    compression: number(TAG.compression, 1),
    samplesPerPixel,
    extraSamples: numbersOf(directory, TAG.extraSamples),
    planar,
    reduced: (subfile & (REDUCED | TRANSPARENCY_MASK)) !== 0 || number(TAG.subfileType, 0) === REDUCED_BEFORE,
    tile,
    chunksNeeded: perSample * (planar ? samplesPerPixel : 1),
    chunksListed: offsets?.count ?? 0,
    ...(nodata !== undefined && { nodata }),
  };
}

function nodataOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  if (/^[+-]?inf(inity)?$/i.test(text))
    return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}

/**
 * Why a page is not worth decoding, as the end of a sentence; null where nothing speaks against it. A decoder fills
 * tiles that are nowhere in the file with zeros, one by one, so that a few bytes could keep it busy for minutes.
 */
export function brokenPromise({ tile, chunksNeeded, chunksListed }: TiffPage): string | null {
  const kind = tile ? 'tiles' : 'strips';
  if (!Number.isFinite(chunksNeeded)) return `its header tells of ${kind} without a size`;
  if (chunksNeeded <= chunksListed) return null;
  const [needed, listed] = [chunksNeeded, chunksListed].map((count) => count.toLocaleString('en'));
  return `its size takes ${needed} ${kind}, but the file has the places of ${listed}`;
}

/** Names of compressions that the image library may lack. */
const COMPRESSIONS: Readonly<Record<number, string>> = {
  6: 'old-style JPEG',
  9: 'JBIG',
  10: 'JBIG',
  32766: 'NeXT RLE',
  32809: 'ThunderScan',
  32908: 'PixarFilm',
  32909: 'PixarLog',
  33003: 'JPEG 2000',
  33004: 'JPEG 2000',
  33005: 'JPEG 2000',
  34661: 'JBIG',
  34676: 'SGI Log',
  34677: 'SGI Log',
  34712: 'JPEG 2000',
  34887: 'LERC',
  34925: 'LZMA',
  50000: 'Zstandard',
  50002: 'JPEG XL',
  52546: 'JPEG XL',
};

const USUAL_COMPRESSIONS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 7, 8, 32773, 32946, 50001]);

const USUAL_BITS: ReadonlySet<number> = new Set([1, 2, 4, 8, 16, 32]);

/** Names of colour models that the image library may lack. */
const COLOUR_MODELS: Readonly<Record<number, string>> = {
  8: 'CIELAB',
  9: 'ICCLAB',
  10: 'ITULAB',
  32803: "a camera's raw colours",
  32844: 'LogL',
  32845: 'LogLuv',
  34892: "a camera's raw colours",
};

/** Sides of tiles are multiples of this: TIFF 6.0, section 15. */
const TILE_STEP = 16;

/**
 * What is unusual about a page that could not be decoded, as the end of a sentence; null for one that could have been.
 */
export function unusualCoding({ bits, compression, photometric, sampleFormat, tile }: TiffPage): string | null {
  if (!USUAL_BITS.has(bits)) return `a TIFF of ${bits} bits per sample, which is not read here; expected 8, 16 or 32`;
  if (!USUAL_COMPRESSIONS.has(compression)) {
    const name = COMPRESSIONS[compression] ?? `method ${compression}`;
    return `a TIFF compressed with ${name}, which is not read here; expected none, LZW, Deflate, PackBits, JPEG or WebP`;
  }
  if (photometric in COLOUR_MODELS) {
    return `a TIFF in ${COLOUR_MODELS[photometric]}, which is not read here; expected grey, RGB, CMYK or a palette`;
  }
  if (sampleFormat === SAMPLE_FORMAT.complexInt || sampleFormat === SAMPLE_FORMAT.complexFloat) {
    return 'a TIFF of complex numbers, which is not read here; expected whole or real ones';
  }
  if (tile && (tile.width % TILE_STEP !== 0 || tile.height % TILE_STEP !== 0)) {
    return `a TIFF in tiles of ${describeSize(tile)}, which is not read here; expected sides that are multiples of ${TILE_STEP}`;
  }
  return null;
}
