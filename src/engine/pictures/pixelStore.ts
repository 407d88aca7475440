/** A picture at its own size of which parts are read: in memory while it is small, else in a file that goes with it. */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { area, type Box, type Size } from '../../core/geometry';
import type { IntensityWindow } from '../../protocol/engineApi';
import type { ImageFile } from './imageFile';
import { readPicture, writePicture } from './imagePixels';
import { PIXEL_FILE_HEADER, resizePicture } from './libvips';

/** Pixels that are held in memory. Chosen, not measured: 75 MB of colours. */
const MOST_IN_MEMORY = 25_000_000;

export class PixelStore {
  private constructor(
    readonly size: Size,
    private readonly channels: 1 | 3,
    private readonly part: (box: Box) => Promise<Uint8Array>,
    private readonly release: () => Promise<void>,
  ) {}

  /** Decodes an image once. To be closed. */
  static async open(file: ImageFile, window: IntensityWindow | undefined): Promise<PixelStore> {
    const { size } = file.info;
    if (area(size) <= MOST_IN_MEMORY) {
      const { channels, data } = await readPicture(file, size, window);
      const part = async ({ left, top, right, bottom }: Box) => {
        const bytes = new Uint8Array((right - left) * (bottom - top) * channels);
        for (let y = top; y < bottom; y++) {
          const from = (y * size.width + left) * channels;
          const length = (right - left) * channels;
          bytes.set(data.subarray(from, from + length), (y - top) * length);
        }
        return bytes;
      };
      return new PixelStore(size, channels, part, async () => undefined);
    }
    const folder = await mkdtemp(join(tmpdir(), 'ap-medsam-'));
    let handle: FileHandle | undefined;
    const release = async () => {
      await handle?.close();
      await rm(folder, { recursive: true, force: true });
    };
    try {
      const path = join(folder, 'pixels.v');
      const channels = await writePicture(file, window, path);
      handle = await open(path);
      // Where an open file may lose its name, none is left behind by a process that is killed.
      if (process.platform !== 'win32') await rm(folder, { recursive: true, force: true });
      return new PixelStore(size, channels, rowsOf(handle, size, channels), release);
    } catch (error) {
      await release();
      throw error;
    }
  }

  /**
   * uint8 RGB [to.height, to.width, 3] of a part of the picture, stretched.
   *
   * @param box whole pixels inside the picture
   */
  async read(box: Box, to: Size): Promise<Uint8Array> {
    const { channels } = this;
    const size = { width: box.right - box.left, height: box.bottom - box.top };
    const { data } = await resizePicture({ size, channels, data: await this.part(box) }, to);
    if (channels === 3) return data;
    return Uint8Array.from({ length: data.length * 3 }, (_, at) => data[Math.floor(at / 3)]!);
  }

  close(): Promise<void> {
    return this.release();
  }
}

/** Reads parts of a file of pixels. */
function rowsOf(handle: FileHandle, { width }: Size, channels: 1 | 3) {
  return async ({ left, top, right, bottom }: Box): Promise<Uint8Array> => {
    const length = (right - left) * channels;
    const bytes = new Uint8Array(length * (bottom - top));
    for (let y = top; y < bottom; y++) {
      await handle.read(bytes, (y - top) * length, length, PIXEL_FILE_HEADER + (y * width + left) * channels);
    }
    return bytes;
  };
}
