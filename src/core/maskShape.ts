/** The shape of a mask in a few numbers, which do not depend on its resolution. */
import { createMask, type Mask } from './mask';
import { type FloatMap, resizeMaskNearest } from './raster';

export interface MaskShape {
  /** Area as a share of the image. */
  readonly area: number;
  /** Share of the image's border that it takes. */
  readonly border: number;
  /** Squared length of its outline inside the image over its area: small for one round object, large for many or ragged ones. */
  readonly complexity: number;
}

/** Of the map that shapes are measured on: coarse enough that how finely an outline was drawn does not count. */
const SIDE = 128;

/** Below this share of the image, an area is too small to divide by. */
const LEAST_AREA = 0.005;

/** The shape of what is positive in any of the maps, labels or logits, each over the whole image. */
export function maskShape(maps: readonly (Mask | FloatMap)[]): MaskShape {
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
  let outline = 0;
  for (let y = 0, at = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++, at++) {
      area += data[at];
      if (x === 0 || y === 0 || x === SIDE - 1 || y === SIDE - 1) border += data[at];
      if (x > 0) outline += data[at] ^ data[at - 1];
      if (y > 0) outline += data[at] ^ data[at - SIDE];
    }
  }
  const share = area / data.length;
  return {
    area: share,
    border: border / (4 * SIDE - 4),
    complexity: (outline / SIDE) ** 2 / Math.max(LEAST_AREA, share),
  };
}

/** The mean of each number. */
export function meanShape(shapes: readonly MaskShape[]): MaskShape {
  const mean = (of: keyof MaskShape) => shapes.reduce((sum, shape) => sum + shape[of], 0) / shapes.length;
  return { area: mean('area'), border: mean('border'), complexity: mean('complexity') };
}
