/**
 * Maps that stand for an image and the padding that made it a square. The image lies at the top left; its extent is rarely a
 * whole number of the map's pixels, so both ways resample (bilinear, borders repeated) instead of cutting.
 */
import { area, type Size } from './geometry';
import type { FloatMap } from './raster';

/**
 * The part of a padded map that the image covers, resampled so that the result covers the image exactly.
 *
 * @param extent of the image in the map's pixels, fractions included.
 */
export function cropPadding(map: FloatMap, extent: Size): FloatMap {
  const size = { width: wholeSide(extent.width), height: wholeSide(extent.height) };
  const columns = samples(size.width, size.width / extent.width, map.size.width);
  const rows = samples(size.height, size.height / extent.height, map.size.height);
  return resampled(map, size, columns, rows, 0);
}

/**
 * A padded map of `size` pixels whose part that the image covers is `map`.
 *
 * @param extent of the image in the result's pixels, fractions included.
 * @param padding what stands where there is no image.
 */
export function addPadding(map: FloatMap, extent: Size, size: Size, padding: number): FloatMap {
  const columns = samples(size.width, extent.width / map.size.width, map.size.width, extent.width);
  const rows = samples(size.height, extent.height / map.size.height, map.size.height, extent.height);
  return resampled(map, size, columns, rows, padding);
}

const wholeSide = (extent: number): number => Math.max(1, Math.round(extent));

interface Sample {
  readonly index: number;
  readonly next: number;
  /** Of the next one, in [0, 1). */
  readonly weight: number;
}

/** Where the centre of each of `count` pixels lies among `from` ones, `scale` of them to one; undefined beyond `end`. */
function samples(count: number, scale: number, from: number, end = Number.POSITIVE_INFINITY): (Sample | undefined)[] {
  return Array.from({ length: count }, (_, k) => {
    if (k + 0.5 > end) return undefined;
    const position = Math.min(from - 1, Math.max(0, (k + 0.5) / scale - 0.5));
    const index = Math.floor(position);
    return { index, next: Math.min(index + 1, from - 1), weight: position - index };
  });
}

function resampled(
  { size: { width }, data }: FloatMap,
  size: Size,
  columns: readonly (Sample | undefined)[],
  rows: readonly (Sample | undefined)[],
  padding: number,
): FloatMap {
  const result = new Float32Array(area(size)).fill(padding);
  for (const [y, row] of rows.entries()) {
    if (!row) continue;
    const upper = row.index * width;
    const lower = row.next * width;
    for (const [x, column] of columns.entries()) {
      if (!column) continue;
      const top = data[upper + column.index] + (data[upper + column.next] - data[upper + column.index]) * column.weight;
      const bottom =
        data[lower + column.index] + (data[lower + column.next] - data[lower + column.index]) * column.weight;
      result[y * size.width + x] = top + (bottom - top) * row.weight;
    }
  }
  return { size, data: result };
}
