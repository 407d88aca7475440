/**
 * Maps that stand for an image and the padding that made it a square. The image lies at the top left; its extent is
 * rarely a whole number of the map's pixels, so both ways resample (bilinear, borders repeated) instead of cutting.
 */
import { area, type Size } from '../geometry';
import { type FloatMap, resampleBilinear, type Taps, tapsAt } from './raster';

/**
 * The part of a padded map that the image covers, resampled so that the result covers the image exactly.
 *
 * @param extent of the image in the map's pixels, fractions included.
 */
export function cropPadding(map: FloatMap, extent: Size): FloatMap {
  const rows = wholeSide(extent.height);
  const columns = wholeSide(extent.width);
  return resampleBilinear(
    map,
    tapsOf(rows, rows / extent.height, map.size.height),
    tapsOf(columns, columns / extent.width, map.size.width),
  );
}

/**
 * A padded map of `size` pixels whose part that the image covers is `map`.
 *
 * @param extent of the image in the result's pixels, fractions included.
 * @param padding what stands where there is no image.
 */
export function addPadding(map: FloatMap, extent: Size, size: Size, padding: number): FloatMap {
  const rows = centresWithin(extent.height, size.height);
  const columns = centresWithin(extent.width, size.width);
  const image = resampleBilinear(
    map,
    tapsOf(rows, extent.height / map.size.height, map.size.height),
    tapsOf(columns, extent.width / map.size.width, map.size.width),
  );
  const data = new Float32Array(area(size)).fill(padding);
  for (let y = 0; y < rows; y++) data.set(image.data.subarray(y * columns, (y + 1) * columns), y * size.width);
  return { size, data };
}

const wholeSide = (extent: number): number => Math.max(1, Math.round(extent));

/** How many of `count` pixels have their centre within `extent`. */
const centresWithin = (extent: number, count: number): number => Math.min(count, Math.floor(extent + 0.5));

/** Of each of `count` pixels among `from` ones, `scale` of them to one. */
const tapsOf = (count: number, scale: number, from: number): Taps =>
  tapsAt(
    Float64Array.from({ length: count }, (_, k) => (k + 0.5) / scale - 0.5),
    from,
  );
