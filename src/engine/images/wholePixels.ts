/** Pictures as stage *pixel prior* looks at them: at their own size, or as far reduced as `most` pixels ask for. */
import { area, type Size } from '../../core/geometry';
import type { RgbPixels } from '../../core/pixelPrior/pixelFeatures';
import type { ImageInfo, IntensityWindow, Shown } from '../../protocol/engineApi';
import { type ImageFile, openAgain } from '../pictures/imageFile';
import { readRgb } from '../pictures/imagePixels';

export async function wholePixels(
  file: ImageFile,
  window: IntensityWindow | undefined,
  most: number,
): Promise<RgbPixels> {
  const size = reduced(file.info.size, most);
  return { size, data: await readRgb(file, size, window) };
}

/** The same of a file that was read before. Throws UserError when it has changed since. */
export async function wholePixelsAgain(
  path: string,
  { file: { sha256 } }: ImageInfo,
  { window, bands }: Shown,
  most: number,
  pixelLimit: number,
): Promise<RgbPixels> {
  return await wholePixels(await openAgain(path, sha256, pixelLimit, bands), window, most);
}

function reduced(size: Size, most: number): Size {
  const scale = Math.min(1, Math.sqrt(most / area(size)));
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  return { width: side(size.width), height: side(size.height) };
}
