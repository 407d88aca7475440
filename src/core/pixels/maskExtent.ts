/** How far a mask reaches, in numbers that do not depend on its resolution. */
import { createMask, type Mask } from './mask';
import { type FloatMap, resizeMaskNearest } from './raster';

export interface MaskExtent {
  /** Area as a share of the image. */
  readonly area: number;
  /** Share of the image's border that it takes. */
  readonly border: number;
}

/** Of the map that masks are measured on: coarse enough that stopping a pixel before the border does not count. */
const SIDE = 128;

/** Of what is positive in any of the maps, labels or logits, each over the whole image. */
export function maskExtent(maps: readonly (Mask | FloatMap)[]): MaskExtent {
  const size = { width: SIDE, height: SIDE };
  const { data } = createMask(size);
  for (const map of maps) {
    const positive = createMask(map.size);
    for (let at = 0; at < positive.data.length; at++) positive.data[at] = map.data[at] > 0 ? 1 : 0;
    const coarse = resizeMaskNearest(positive, size).data;
    for (let at = 0; at < data.length; at++) data[at] |= coarse[at];
  }
  let area = 0;
  let border = 0;
  for (let y = 0, at = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++, at++) {
      area += data[at];
      if (x === 0 || y === 0 || x === SIDE - 1 || y === SIDE - 1) border += data[at];
    }
  }
  return { area: area / data.length, border: border / (4 * SIDE - 4) };
}

/** The mean of each number. */
export function meanExtent(extents: readonly MaskExtent[]): MaskExtent {
  const mean = (of: keyof MaskExtent) => extents.reduce((sum, extent) => sum + extent[of], 0) / extents.length;
  return { area: mean('area'), border: mean('border') };
}
