/**
 * Stage *tiles*: an image is encoded and decoded in overlapping parts, so that a small object spans enough patches.
 * To a strategy a tiled image is one with a finer patch grid and finer logits; only encoder and decoder see the parts.
 *
 * Tiles of the encoder's usual grid overlap by a quarter; together they lie on one grid over the whole image, and no
 * pixel needs to fall on a tile's border. Tokens and logits of overlapping tiles are blended with raised-cosine weights
 * that add up to 1 everywhere, so that no seam shows.
 *
 * A *view* says how many tiles the short side has. An encoder takes squares: a long picture has more tiles along its
 * long side, so that none is squeezed.
 */

import { area, type Box, longSide, type Point, type Size } from '../geometry';
import { type FloatMap, resampleBilinear, type Taps, tapsAt } from '../pixels/raster';
import type { PatchTokens } from '../tokens/patchGrid';
import { scaleToUnit } from '../tokens/tokenRows';
import type { DecodedMask, PromptableImage, PromptSet, SegmenterCapabilities } from './segmenter';

/**
 * Tiles along the short side that may be asked for. Memory rises with it: an engine's peak is 0.25 GB without, 0.33
 * with 2 x 2 and 0.54 with 6 x 6.
 */
export const MOST_PARTS = 6;

/** Of neighbouring tiles, as a share of a tile. Chosen, not measured. */
const OVERLAP = 1 / 4;

/** Beyond this a decoder is sure. */
const SURE = 8;

/**
 * Long side over short side up to which a picture has as many tiles along both: films and phones stay whole. Chosen,
 * not measured.
 */
const MOST_SQUEEZE = 2;

/** Pixels below which no tile is made for the sake of its shape. Chosen, not measured. */
const LEAST_TILE = 32;

/** How many tiles there are along each side. */
export interface TileCounts {
  readonly columns: number;
  readonly rows: number;
}

export interface TilePlan extends TileCounts {
  /** Patches of one tile. */
  readonly tileGrid: Size;
  /** Patches of all tiles together: the grid over the whole image. */
  readonly grid: Size;
  /** The tiles, row by row, each by its first patch column and row in `grid`. */
  readonly tiles: readonly Tile[];
}

export interface Tile {
  readonly column: number;
  readonly row: number;
}

/** The tiles of a picture of `size` (in its own pixels) that is seen as a whole: one, unless it is long. */
export function tilesOf(size: Size): TileCounts {
  const long = longSide(size);
  const short = Math.min(size.width, size.height);
  const many = long > MOST_SQUEEZE * short ? countOf(long, Math.max(LEAST_TILE, short)) : 1;
  return size.width > size.height ? { columns: many, rows: 1 } : { columns: 1, rows: many };
}

/** The tiles of a picture that come nearest to this length along both sides. */
export const tilesOfLength = (length: Size, { width, height }: Size): TileCounts => ({
  columns: countOf(width, length.width),
  rows: countOf(height, length.height),
});

/** Length of each of so many overlapping tiles along a side. */
export const tileLength = (side: number, tiles: number): number => side / (1 + (tiles - 1) * (1 - OVERLAP));

/** How many overlapping tiles along a side come nearest to this length. */
const countOf = (side: number, length: number): number =>
  Math.max(1, Math.round(1 + (side / length - 1) / (1 - OVERLAP)));

export function planTiles({ columns, rows }: TileCounts, tileGrid: Size): TilePlan {
  for (const count of [columns, rows]) {
    if (Number.isInteger(count) && count >= 1) continue;
    throw new RangeError(`expected a whole number of tiles along each side, got ${columns} x ${rows}`);
  }
  const step = { width: stepOf(tileGrid.width), height: stepOf(tileGrid.height) };
  return {
    ...{ columns, rows, tileGrid },
    grid: {
      width: tileGrid.width + (columns - 1) * step.width,
      height: tileGrid.height + (rows - 1) * step.height,
    },
    tiles: Array.from({ length: columns * rows }, (_, index) => ({
      column: (index % columns) * step.width,
      row: Math.floor(index / columns) * step.height,
    })),
  };
}

export const isWhole = ({ columns, rows }: TileCounts): boolean => columns * rows === 1;

/** Patches from one tile to the next. */
const stepOf = (patches: number): number => patches - Math.round(patches * OVERLAP);

/**
 * Weight of a tile at a position along one axis: 1 but where it overlaps its neighbours, where it falls to 0 at its
 * border as a raised cosine.
 *
 * @param at in patches of the whole grid, continuous
 * @param start the tile's first patch
 */
function weightAt(at: number, start: number, patches: number, whole: number): number {
  const overlap = patches - stepOf(patches);
  const rise = start === 0 ? 1 : (at - start) / overlap;
  const fall = start + patches === whole ? 1 : (start + patches - at) / overlap;
  const share = Math.min(1, rise, fall);
  return share <= 0 ? 0 : 0.5 - 0.5 * Math.cos(Math.PI * share);
}

/** Blends the tokens of tiles, one tile at a time, to those of the whole grid. Unit tokens are unit tokens again. */
export class TokenStitcher {
  private data: Float32Array | undefined;
  private dim = 0;
  private normalised = true;

  constructor(private readonly plan: TilePlan) {}

  add({ column, row }: Tile, tokens: PatchTokens): void {
    const { tileGrid, grid } = this.plan;
    if (tokens.grid.width !== tileGrid.width || tokens.grid.height !== tileGrid.height) {
      throw new RangeError(
        `expected a tile of ${tileGrid.width} x ${tileGrid.height} patches, got ${tokens.grid.width} x ${tokens.grid.height}`,
      );
    }
    this.dim = tokens.dim;
    this.normalised &&= tokens.normalised;
    this.data ??= new Float32Array(area(grid) * tokens.dim);
    const { data, dim } = this;
    for (let y = 0; y < tileGrid.height; y++) {
      const down = weightAt(row + y + 0.5, row, tileGrid.height, grid.height);
      for (let x = 0; x < tileGrid.width; x++) {
        const weight = down * weightAt(column + x + 0.5, column, tileGrid.width, grid.width);
        const from = (y * tileGrid.width + x) * dim;
        const to = ((row + y) * grid.width + column + x) * dim;
        for (let k = 0; k < dim; k++) data[to + k] += weight * tokens.data[from + k];
      }
    }
  }

  finish(): PatchTokens {
    const { data, dim, normalised } = this;
    if (data === undefined) throw new RangeError('expected the tokens of all tiles, got none');
    if (normalised) scaleToUnit(data, dim);
    return { grid: this.plan.grid, dim, data, normalised };
  }
}

/** Blends the logits of tiles, one tile at a time, to a map over the whole image, as fine as those of the tiles. */
export class LogitBlender {
  private map: FloatMap | undefined;

  constructor(private readonly plan: TilePlan) {}

  /** @param logits of the tile; of any size, but the same for all tiles */
  add(tile: Tile, logits: FloatMap): void {
    const { tileGrid, grid } = this.plan;
    const across = (patches: number, of: number, values: number) => Math.round((patches * values) / of);
    const size = {
      width: across(grid.width, tileGrid.width, logits.size.width),
      height: across(grid.height, tileGrid.height, logits.size.height),
    };
    this.map ??= { size, data: new Float32Array(area(size)) };
    const { data } = this.map;
    const columns = coverageOf(tile.column, tileGrid.width, grid.width, size.width, logits.size.width);
    const rows = coverageOf(tile.row, tileGrid.height, grid.height, size.height, logits.size.height);
    const values = resampleBilinear(logits, rows.taps, columns.taps).data;
    let from = 0;
    rows.weights.forEach((down, y) => {
      const start = (rows.first + y) * size.width + columns.first;
      columns.weights.forEach((right, x) => {
        data[start + x] += down * right * values[from++];
      });
    });
  }

  finish(): FloatMap {
    if (this.map === undefined) throw new RangeError('expected the logits of all tiles, got none');
    return this.map;
  }
}

/** The values of the whole map that a tile covers, along one axis. */
interface Coverage {
  /** The first of them. */
  readonly first: number;
  /** float64 [covered]: of the tile in each. */
  readonly weights: Float64Array;
  /** Where each lies among the values of the tile. */
  readonly taps: Taps;
}

function coverageOf(start: number, patches: number, whole: number, length: number, tileLength: number): Coverage {
  const first = Math.max(0, Math.floor((start * length) / whole));
  const last = Math.min(length, Math.ceil(((start + patches) * length) / whole));
  const at = Float64Array.from({ length: last - first }, (_, k) => ((first + k + 0.5) * whole) / length);
  return {
    first,
    weights: at.map((patch) => weightAt(patch, start, patches, whole)),
    taps: tapsAt(
      at.map((patch) => ((patch - start) * tileLength) / patches - 0.5),
      tileLength,
    ),
  };
}

/** A segmenter bound to one tile, whose prompts are in the tile's own frame. */
type TileOpener = (index: number) => Promise<PromptableImage>;

/**
 * The tiles as one image that can be asked: every question goes to each tile that it concerns, with what of it lies
 * there. One tile is open at a time.
 *
 * @param size of the whole image in targetPx, the frame of all prompts
 */
export function tiledPromptable(
  plan: TilePlan,
  size: Size,
  capabilities: SegmenterCapabilities,
  open: TileOpener,
): PromptableImage {
  const frame = tileFrame(plan, size);
  return {
    capabilities,
    decode: async (prompts) => {
      const blenders = prompts.map(() => new LogitBlender(plan));
      const predictions = prompts.map(() => new AreaMean());
      /** Tiles that were not asked come last: only answers tell how fine the logits are. */
      const silent: { readonly tile: Tile; readonly question: number }[] = [];
      let answerSize: Size | undefined;
      for (const [index, tile] of plan.tiles.entries()) {
        const asked = prompts.map((prompt) => questionIn(prompt, plan, tile, frame));
        const questions = asked.flatMap((question, at) => (question === undefined ? [] : [{ question, at }]));
        asked.forEach((question, at) => {
          if (question === undefined) silent.push({ tile, question: at });
        });
        if (questions.length === 0) continue;
        const image = await open(index);
        const answers = await image.decode(questions.map(({ question }) => question));
        answers.forEach(({ logits, iouPrediction }, k) => {
          answerSize = logits.size;
          blenders[questions[k].at].add(tile, logits);
          predictions[questions[k].at].add(logits, iouPrediction);
        });
      }
      const nothing = background(answerSize ?? plan.tileGrid);
      for (const { tile, question } of silent) blenders[question].add(tile, nothing);
      return blenders.map(
        (blender, at): DecodedMask => ({ logits: blender.finish(), iouPrediction: predictions[at].value() }),
      );
    },
  };
}

const background = (size: Size): FloatMap => ({ size, data: new Float32Array(area(size)).fill(-SURE) });

/** Size in targetPx of the part of the image that a tile covers; not whole in general. */
export function tileFrame({ tileGrid, grid }: TilePlan, size: Size): Size {
  return {
    width: (size.width * tileGrid.width) / grid.width,
    height: (size.height * tileGrid.height) / grid.height,
  };
}

/** What of a question lies in a tile, in its frame; undefined where nothing there asks for an object. */
function questionIn(
  { points, box, maskPrompt }: PromptSet,
  { tileGrid, grid }: TilePlan,
  tile: Tile,
  frame: Size,
): PromptSet | undefined {
  const left = (tile.column * frame.width) / tileGrid.width;
  const top = (tile.row * frame.height) / tileGrid.height;
  const moved = ({ x, y }: Point): Point => ({ x: x - left, y: y - top });
  const inside = ({ x, y }: Point) => x >= 0 && y >= 0 && x < frame.width && y < frame.height;
  const own = points.map((one) => ({ ...one, point: moved(one.point) })).filter(({ point }) => inside(point));
  const part =
    box &&
    clipped(
      { ...box, left: box.left - left, top: box.top - top, right: box.right - left, bottom: box.bottom - top },
      frame,
    );
  if (box !== undefined && part === undefined) return undefined;
  if (maskPrompt === undefined && part === undefined && !own.some(({ label }) => label === 1)) return undefined;
  return {
    points: own,
    ...(part && { box: part }),
    ...(maskPrompt && { maskPrompt: partOf(maskPrompt, tile, tileGrid, grid) }),
  };
}

function clipped({ left, top, right, bottom }: Box, { width, height }: Size): Box | undefined {
  const box = {
    left: Math.max(0, left),
    top: Math.max(0, top),
    right: Math.min(width, right),
    bottom: Math.min(height, bottom),
  };
  return box.left < box.right && box.top < box.bottom ? box : undefined;
}

/** The part of a map over the whole image that a tile covers, as fine as the map. */
function partOf(map: FloatMap, tile: Tile, tileGrid: Size, grid: Size): FloatMap {
  const size = {
    width: Math.max(1, Math.round((map.size.width * tileGrid.width) / grid.width)),
    height: Math.max(1, Math.round((map.size.height * tileGrid.height) / grid.height)),
  };
  return resampleBilinear(
    map,
    partTaps(tile.row, tileGrid.height, grid.height, size.height, map.size.height),
    partTaps(tile.column, tileGrid.width, grid.width, size.width, map.size.width),
  );
}

/** Where each of `length` values of a tile lies among those of the whole map, along one axis. */
function partTaps(start: number, patches: number, whole: number, length: number, wholeLength: number): Taps {
  const positions = Float64Array.from({ length }, (_, at) => {
    const patch = start + ((at + 0.5) * patches) / length;
    return (patch * wholeLength) / whole - 0.5;
  });
  return tapsAt(positions, wholeLength);
}

/**
 * Mean of the tiles' IoU predictions, each weighing as much as it has drawn; the plain mean where nothing was drawn.
 */
class AreaMean {
  private weighted = 0;
  private weights = 0;
  private sum = 0;
  private count = 0;

  add({ data }: FloatMap, prediction: number): void {
    let drawn = 0;
    for (const logit of data) if (logit > 0) drawn++;
    this.weighted += drawn * prediction;
    this.weights += drawn;
    this.sum += prediction;
    this.count++;
  }

  /** 0 where no tile was asked: nothing is drawn there, and nothing to be expected of it. */
  value(): number {
    if (this.weights > 0) return this.weighted / this.weights;
    return this.count > 0 ? this.sum / this.count : 0;
  }
}
