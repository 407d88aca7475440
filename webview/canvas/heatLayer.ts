/** The heat map, stretched over the image. */
import type { Box, Size } from '../../src/core/geometry';
import type { FloatMap } from '../../src/core/pixels/raster';
import { heatPicture } from './heatColours';
import type { Sheet } from './sheet';
import { drawPicture } from './tileDrawing';
import type { DeviceFrame } from './viewport';

export class HeatLayer {
  private map: FloatMap | null = null;
  private picture: OffscreenCanvas | null = null;

  constructor(private readonly sheet: Sheet) {}

  get isEmpty(): boolean {
    return this.picture === null;
  }

  /** Shows another map; says whether it is another. */
  show(map: FloatMap | null): boolean {
    if (map === this.map) return false;
    this.map = map;
    this.picture = map && pictureOf(map);
    return true;
  }

  draw(frame: DeviceFrame, visible: Box, target: Size, opacity: number): void {
    const { sheet, picture } = this;
    const { context } = sheet;
    sheet.clear();
    if (picture === null) return;
    sheet.drawn();
    const whole = { left: 0, top: 0, right: target.width, bottom: target.height };
    context.globalAlpha = opacity;
    drawPicture(context, picture, { width: picture.width, height: picture.height }, whole, frame, visible);
    context.globalAlpha = 1;
  }
}

function pictureOf(map: FloatMap): OffscreenCanvas {
  const { size, pixels } = heatPicture(map);
  const picture = new OffscreenCanvas(size.width, size.height);
  picture.getContext('2d')?.putImageData(new ImageData(pixels, size.width, size.height), 0, 0);
  return picture;
}
