/**
 * Pictures of images as the editor shows them, since a browser reads neither TIFF nor 16 bits: a small overview, and a
 * pyramid of tiles that is the image itself, to the last number, at its finest level. Both are files in a folder that
 * lasts; making them takes no part in the queue of inferences.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Box, longSide, type Size, sameSize } from '../../core/geometry';
import { UserError } from '../../core/userError';
import { PRIVATE_FILE, PRIVATE_FOLDER } from '../../disk/atomicFile';
import type { BoundedFolder, EntryKey } from '../../disk/boundedFolder';
import { explainWriteError } from '../../disk/storageError';
import type {
  BandChoice,
  DisplayOverview,
  DisplayRequest,
  FileStamp,
  ImageInfo,
  IntensityWindow,
  TileFiles,
} from '../../protocol/engineApi';
import { SharedWork } from '../runtime/sharedWork';
import { restartClock } from '../runtime/workClock';
import { OVERVIEW, openDisplayFolder, TILES } from './displayFolder';
import { type ImageFile, openImage, stampOf } from './imageFile';
import { readPicture, windowOf } from './imagePixels';
import { encodeJpeg, encodeTile, extendPicture, type Picture, resizePicture } from './libvips';

/** To be raised with any change of what is drawn. */
const DRAWING = 'display-2';

const OVERVIEW_SIDE = 1024;
const TILE_SIZE = 512;

const WINDOW_FILE = 'window.json';

/** One of libuv's four threads is left to reading and to the next click. */
const TILES_AT_ONCE = Math.min(3, availableParallelism());

/** Images whose hash is remembered, so that showing one again reads nothing of it. */
const IDENTITIES_KEPT = 256;

/** What an image is, known without reading it as long as `stat` says that it is the same. */
interface Identity {
  readonly info: ImageInfo;
  readonly deep: boolean;
}

/** Draws each picture once, for everybody who asks meanwhile and later. */
export class Display {
  private readonly folder: BoundedFolder;
  private readonly overviews = new SharedWork<DisplayOverview>();
  private readonly pyramids = new SharedWork<TileFiles>();
  /** An overview and tiles asked for together read the file once. */
  private readonly openings = new SharedWork<ImageFile>();
  /** By path, least recently used first. */
  private readonly identities = new Map<string, Identity>();

  constructor(
    homeDir: string,
    capBytes: number,
    private readonly pixelLimit: number,
  ) {
    this.folder = openDisplayFolder(homeDir, capBytes);
  }

  /** Throws UserError when the image cannot be read or the picture not be written. */
  overview(request: DisplayRequest, signal: AbortSignal): Promise<DisplayOverview> {
    return this.overviews.join(keyOf(request), signal, (shared) => this.findOrDrawOverview(request, shared));
  }

  /** Throws UserError when the image cannot be read or a tile not be written. */
  tiles(request: DisplayRequest, signal: AbortSignal): Promise<TileFiles> {
    return this.pyramids.join(keyOf(request), signal, (shared) => this.findOrDrawTiles(request, shared));
  }

  private async findOrDrawOverview(request: DisplayRequest, signal: AbortSignal): Promise<DisplayOverview> {
    const { info, deep, open } = await this.identify(request, signal);
    const window = deep ? request.window : undefined;
    const size = fittedSize(info.size, OVERVIEW_SIDE);
    const isWhole = sameSize(size, info.size);
    const name = isWhole ? 'overview.png' : 'overview.jpg';
    const dir = await this.findOrMake(
      [DRAWING, info.file.sha256, ...viewKey(window, request.bands)],
      OVERVIEW,
      async (folder) => {
        const file = await open();
        signal.throwIfAborted();
        const shownThrough = deep ? (window ?? windowOf([file])) : undefined;
        const picture = await readPicture(file, size, shownThrough);
        const content = await (isWhole ? encodeTile(picture, boxOf(size)) : encodeJpeg(picture));
        const files: [string, Uint8Array | string][] = [[name, content]];
        if (deep) files.push([WINDOW_FILE, JSON.stringify(await shownThrough)]);
        for (const [to, bytes] of files) await writeFile(join(folder, to), bytes, { mode: PRIVATE_FILE });
        return files.reduce((sum, [, bytes]) => sum + bytes.length, 0);
      },
    );
    const shown = deep ? { window: await readWindow(join(dir, WINDOW_FILE)) } : {};
    return { info, file: join(dir, name), ...shown };
  }

  private async findOrDrawTiles(request: DisplayRequest, signal: AbortSignal): Promise<TileFiles> {
    const { info, deep, open } = await this.identify(request, signal);
    const window = deep ? (request.window ?? (await this.overview(request, signal)).window) : undefined;
    const levels = levelsOf(info.size);
    const dir = await this.findOrMake(
      [DRAWING, info.file.sha256, ...viewKey(window, request.bands)],
      TILES,
      async (folder) => {
        const file = await open();
        signal.throwIfAborted();
        return await writePyramid(folder, await readPicture(file, info.size, window), levels, signal);
      },
    );
    return { dir, tileSize: TILE_SIZE, levels };
  }

  /** The folder of an entry; where it is not there yet, `fill` fills it and says with how many bytes. */
  private async findOrMake(
    key: EntryKey,
    kind: typeof OVERVIEW | typeof TILES,
    fill: (folder: string) => Promise<number>,
  ): Promise<string> {
    const path = this.folder.pathOf(key, kind);
    if (await stat(path).catch(() => undefined)) {
      await this.folder.touch(path);
      return path;
    }
    try {
      await this.folder.add(path, async (temporary) => {
        await mkdir(temporary, PRIVATE_FOLDER);
        return await fill(temporary);
      });
    } catch (error) {
      throw explainWriteError(error, path);
    }
    // The picture is waited for; what had to go for it is not.
    void this.folder.tidy();
    return path;
  }

  /** What an image is. `open` gives the file that was read to find out, or reads it now. */
  private async identify(
    { image, bands }: DisplayRequest,
    signal: AbortSignal,
  ): Promise<Identity & { open(): Promise<ImageFile> }> {
    const opening = keyOf({ image, ...(bands && { bands }) });
    const open = () => this.openings.join(opening, signal, () => openImage(image, this.pixelLimit, bands));
    const stamp = await stampOf(image);
    const known = this.identities.get(image);
    if (known && sameStamp(known.info.file, stamp)) {
      this.remember(image, known);
      return { ...known, open: async () => sameContent(await open(), known.info) };
    }
    const file = await open();
    const { info, deep } = file;
    this.remember(image, { info, deep });
    return { info, deep, open: async () => file };
  }

  private remember(image: string, identity: Identity): void {
    this.identities.delete(image);
    this.identities.set(image, identity);
    if (this.identities.size <= IDENTITIES_KEPT) return;
    const [oldest] = this.identities.keys();
    this.identities.delete(oldest!);
  }
}

/** Levels of the pyramid of an image: the coarsest one fits one tile. */
export function levelsOf(size: Size): number {
  let levels = 1;
  for (let side = longSide(size); side > TILE_SIZE; side = Math.ceil(side / 2)) levels++;
  return levels;
}

/** Writes the tiles of all levels into `folder`, the finest level first; says how many bytes they took. */
async function writePyramid(folder: string, picture: Picture, levels: number, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  let level: Picture = picture;
  for (let index = levels - 1; index >= 0; index--) {
    const dir = join(folder, String(index));
    await mkdir(dir, PRIVATE_FOLDER);
    bytes += await writeTiles(dir, level, signal);
    if (index > 0) level = await half(level);
  }
  return bytes;
}

async function writeTiles(dir: string, picture: Picture, signal: AbortSignal): Promise<number> {
  const tiles = tilesOf(picture.size);
  let bytes = 0;
  let failure: { readonly reason: unknown } | undefined;
  const work = async () => {
    for (let tile = tiles.pop(); tile && !failure; tile = tiles.pop()) {
      try {
        signal.throwIfAborted();
        const content = await encodeTile(picture, tile.box);
        await writeFile(join(dir, `${tile.column}_${tile.row}.png`), content, { mode: PRIVATE_FILE });
        bytes += content.length;
        // A pyramid of a thousand tiles takes its time, and gets on.
        restartClock();
      } catch (reason) {
        failure ??= { reason };
      }
    }
  };
  // All have stopped writing when this is over: then the folder can be removed.
  await Promise.all(Array.from({ length: TILES_AT_ONCE }, work));
  if (failure) throw failure.reason;
  return bytes;
}

function tilesOf({ width, height }: Size): { column: number; row: number; box: Box }[] {
  const tiles = [];
  for (let row = 0; row * TILE_SIZE < height; row++) {
    for (let column = 0; column * TILE_SIZE < width; column++) {
      const [left, top] = [column * TILE_SIZE, row * TILE_SIZE];
      const right = Math.min(width, left + TILE_SIZE);
      const bottom = Math.min(height, top + TILE_SIZE);
      tiles.push({ column, row, box: { left, top, right, bottom } });
    }
  }
  return tiles;
}

/**
 * A picture of half the size, rounded up; odd sides are made even first, so that pixel n covers exactly 2n and 2n + 1.
 */
async function half(picture: Picture): Promise<Picture> {
  const to = { width: Math.ceil(picture.size.width / 2), height: Math.ceil(picture.size.height / 2) };
  const even = { width: to.width * 2, height: to.height * 2 };
  return await resizePicture(sameSize(even, picture.size) ? picture : await extendPicture(picture, even), to);
}

/** `size` reduced, where necessary, until its long side is `side`. */
function fittedSize(size: Size, side: number): Size {
  const scale = Math.min(1, side / longSide(size));
  return {
    width: Math.max(1, Math.round(size.width * scale)),
    height: Math.max(1, Math.round(size.height * scale)),
  };
}

const boxOf = ({ width, height }: Size): Box => ({ left: 0, top: 0, right: width, bottom: height });

const viewKey = (window?: IntensityWindow, bands?: BandChoice): (number | string)[] => [
  ...(window ? [window.low, window.high] : []),
  ...(bands ? ['bands', ...bands] : []),
];

const keyOf = ({ image, window, bands }: DisplayRequest): string => JSON.stringify([image, viewKey(window, bands)]);

const sameStamp = (file: FileStamp, { bytes, mtimeMs }: Omit<FileStamp, 'sha256'>): boolean =>
  file.bytes === bytes && file.mtimeMs === mtimeMs;

/** The file, unless it is another one than `info` tells of: under its name must not lie the picture of another. */
function sameContent(file: ImageFile, info: ImageInfo): ImageFile {
  if (file.info.file.sha256 === info.file.sha256) return file;
  throw new UserError(`${file.path} has changed while it was being read: open it again.`);
}

const readWindow = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as IntensityWindow;
