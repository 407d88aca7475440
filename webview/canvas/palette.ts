/**
 * Labels as pixels: the colour of each class, and a hatch for what is ignored. Pixels are RGBA bytes read as uint32.
 */
import { IGNORE } from '../../src/core/pixels/labelMap';
import type { ClassInfo } from '../../src/protocol/editorApi';

/** Least opacity of a pixel that holds any object at all, so that thin ones stay visible when zoomed out; of 255. */
const FAINTEST = 96;

/** The hatch is made of two greys, so that one of them shows on any picture; stripes are this many pixels wide. */
const HATCH = [opaque(96, 96, 96), opaque(208, 208, 208)] as const;
const STRIPE = 4;

/** Stands out, for values that no class has. */
const NAMELESS = opaque(255, 0, 255);

/** Pixel of each label, uint32 [256]: 0 transparent, classes opaque, others magenta. */
export type Palette = Uint32Array;

export function paletteOf(classes: readonly Pick<ClassInfo, 'id' | 'colour'>[]): Palette {
  const palette = new Uint32Array(256).fill(NAMELESS);
  palette[0] = 0;
  palette[IGNORE] = HATCH[0];
  for (const { id, colour } of classes) {
    const rgb = parseColour(colour);
    if (rgb) palette[id] = opaque(...rgb);
  }
  return palette;
}

/** Red, green and blue of #rrggbb; null for anything else. */
export function parseColour(colour: string): [number, number, number] | null {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  return match && [Number.parseInt(match[1], 16), Number.parseInt(match[2], 16), Number.parseInt(match[3], 16)];
}

/** Bytes that lie in memory as red, green, blue, 255. All platforms with a canvas are little-endian. */
function opaque(red: number, green: number, blue: number): number {
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}

/** Opacity of a pixel by its coverage, uint32 [256], in the top byte; none only where nothing is covered. */
const ALPHA = Uint32Array.from({ length: 256 }, (_, coverage) =>
  coverage === 0 ? 0 : (Math.round(FAINTEST + ((255 - FAINTEST) * coverage) / 255) << 24) >>> 0,
);

/** Rectangle of a tile, in its pixels. */
export interface TileRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Labels to paint from: row-major with a stride, `offset` being the label of the tile's first pixel. */
export interface LabelRows {
  readonly classes: Uint8Array;
  /** Share of each pixel that is covered, 0 to 255; null where every pixel is one label. Strides as `classes`. */
  readonly coverage: Uint8Array | null;
  readonly offset: number;
  readonly stride: number;
}

/**
 * Paints a rectangle of a tile.
 *
 * @param pixels uint32 [>= height, tileWidth] of the tile.
 * @returns whether any pixel of it shows.
 */
export function paintLabels(
  pixels: Uint32Array,
  tileWidth: number,
  { x, y, width, height }: TileRect,
  { classes, coverage, offset, stride }: LabelRows,
  palette: Palette,
): boolean {
  let seen = 0;
  // Only IGNORE reaches the ninth bit when 1 is added.
  let sum = 0;
  for (let row = y; row < y + height; row++) {
    let from = offset + row * stride + x;
    const start = row * tileWidth + x;
    const end = start + width;
    if (coverage === null) {
      for (let to = start; to < end; to++, from++) {
        const label = classes[from];
        seen |= label;
        sum |= label + 1;
        pixels[to] = palette[label];
      }
    } else {
      for (let to = start; to < end; to++, from++) {
        const label = classes[from];
        seen |= label;
        sum |= label + 1;
        pixels[to] = (palette[label] & 0xffffff) | ALPHA[coverage[from]];
      }
    }
  }
  if (sum > 255) hatch(pixels, tileWidth, { x, y, width, height }, classes, offset, stride);
  return seen !== 0;
}

/** Gives every other stripe of the ignored pixels its own grey. */
function hatch(
  pixels: Uint32Array,
  tileWidth: number,
  { x, y, width, height }: TileRect,
  classes: Uint8Array,
  offset: number,
  stride: number,
): void {
  for (let row = y; row < y + height; row++) {
    for (let column = x; column < x + width; column++) {
      const isOther = Math.floor((column + row) / STRIPE) % 2 === 1;
      if (!isOther || classes[offset + row * stride + column] !== IGNORE) continue;
      const at = row * tileWidth + column;
      pixels[at] = (pixels[at] & 0xff000000) | (HATCH[1] & 0xffffff);
    }
  }
}
