/**
 * Stage *encoding*: the grid of patch tokens that an image encoder lays over an image (DINOv2, Oquab et al. 2023, arXiv
 * 2304.07193). The grid always covers the whole image: encoders stretch the image to their input, they do not pad it.
 */
import { area, moveToFrame, type Point, type Size } from '../geometry';

/** Patch tokens of one image. */
export interface PatchTokens {
  /** Cells of the grid; `patchIndex` = row * width + column. */
  readonly grid: Size;
  /** Length of one token. */
  readonly dim: number;
  /** float32 [grid.height * grid.width, dim], row-major in grid order. */
  readonly data: Float32Array;
  /** True when every token has length 1, so that the dot product is the cosine. */
  readonly normalised: boolean;
}

/** Throws RangeError unless `data` holds exactly one token of length `dim` per cell. */
export function checkTokens(tokens: PatchTokens): void {
  const expected = area(tokens.grid) * tokens.dim;
  if (tokens.data.length !== expected) {
    throw new RangeError(
      `patch tokens of a ${tokens.grid.width} x ${tokens.grid.height} grid with ${tokens.dim} channels need ${expected} values, got ${tokens.data.length}`,
    );
  }
}

/** Centre of patch `patchIndex`, in the frame of an image of `size` pixels. */
export function patchCentre(patchIndex: number, grid: Size, size: Size): Point {
  const column = patchIndex % grid.width;
  const row = (patchIndex - column) / grid.width;
  return moveToFrame({ x: column + 0.5, y: row + 0.5 }, grid, size);
}

/**
 * The tokens of several images one after the other, as if of one image: patch p of image k comes after all patches of
 * the images before it. The grid is as wide as theirs where they agree, and has one row where they do not.
 */
export function concatTokens(images: readonly PatchTokens[]): PatchTokens {
  const [first, ...others] = images;
  if (others.length === 0) return first;
  for (const { dim } of others) {
    if (dim !== first.dim) throw new RangeError(`tokens of ${first.dim} and ${dim} channels cannot be joined`);
  }
  const count = images.reduce((sum, { grid }) => sum + area(grid), 0);
  const { width } = first.grid;
  const grid = others.every((image) => image.grid.width === width)
    ? { width, height: count / width }
    : { width: count, height: 1 };
  const data = new Float32Array(count * first.dim);
  let offset = 0;
  for (const image of images) {
    checkTokens(image);
    data.set(image.data, offset);
    offset += image.data.length;
  }
  return { grid, dim: first.dim, data, normalised: images.every(({ normalised }) => normalised) };
}
