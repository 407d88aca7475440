/** How SAM and its descendants see an image, and how prompts and masks move between that and ours. */
import { longSide, moveToFrame, type Point, type Size } from '../../core/geometry';
import { addPadding, cropPadding } from '../../core/pixels/letterbox';
import type { FloatMap } from '../../core/pixels/raster';
import type { PromptSet } from '../../core/prompting/segmenter';

/** SAM's label encoding: 1 and 0 for points, 2 and 3 for box corners, -1 for what is no point. */
export const BOX_TOP_LEFT = 2;
export const BOX_BOTTOM_RIGHT = 3;
export const PADDING = -1;

/** Low-resolution masks and mask prompts have a quarter of the input's side. */
export const MASK_STRIDE = 4;

/** How an image of any shape becomes a square input: stretched, or at its own aspect ratio at the top left. */
export type Placement = 'stretched' | 'padded';

/** Size in modelPx of the image within a square input. */
export function placedSize(image: Size, side: number, placement: Placement): Size {
  if (placement === 'stretched') return { width: side, height: side };
  const scale = side / longSide(image);
  const placed = (length: number) => Math.max(1, Math.floor(length * scale + 0.5));
  return { width: placed(image.width), height: placed(image.height) };
}

export interface Token {
  /** As the model's prompt encoder takes it: it adds the half pixel to a pixel's centre itself. */
  readonly at: Point;
  readonly label: number;
}

/** The points of a prompt set in the model's frame. */
export const pointTokens = ({ points }: PromptSet, image: Size, modelSize: Size): Token[] =>
  points.map(({ point, label }) => ({ at: toPixelIndex(point, image, modelSize), label }));

/** The corners of its box, if it has one, in the model's frame: top left, then bottom right. */
export function cornerTokens({ box }: PromptSet, image: Size, modelSize: Size): Token[] {
  if (!box) return [];
  const corner = (x: number, y: number, label: number) => ({ at: toPixelIndex({ x, y }, image, modelSize), label });
  return [corner(box.left, box.top, BOX_TOP_LEFT), corner(box.right, box.bottom, BOX_BOTTOM_RIGHT)];
}

/** SAM counts pixels by index: its (0, 0) is the centre of the first one, ours is that pixel's corner. */
function toPixelIndex(point: Point, image: Size, modelSize: Size): Point {
  const { x, y } = moveToFrame(point, image, modelSize);
  return { x: x - 0.5, y: y - 0.5 };
}

export const coordinatesOf = (tokens: readonly Token[]): Float32Array =>
  Float32Array.from(tokens.flatMap(({ at }) => [at.x, at.y]));

/** A mask of the square input, without its padding. */
export function withoutPadding(map: FloatMap, modelSize: Size, side: number): FloatMap {
  const extent = extentIn(map.size, modelSize, side);
  return extent.width === map.size.width && extent.height === map.size.height ? map : cropPadding(map, extent);
}

/** A mask prompt of the square input; its padding is as little the object as the least likely place of the image. */
export function paddedPrompt(prompt: FloatMap, modelSize: Size, side: number): FloatMap {
  const maskSide = side / MASK_STRIDE;
  const size = { width: maskSide, height: maskSide };
  const padding = prompt.data.reduce((least, value) => Math.min(least, value), 0);
  return addPadding(prompt, extentIn(size, modelSize, side), size, padding);
}

const extentIn = (map: Size, modelSize: Size, side: number): Size => ({
  width: (map.width * modelSize.width) / side,
  height: (map.height * modelSize.height) / side,
});

/** The candidate with the highest IoU prediction; of equals the first. */
export function bestOf(predictions: Float32Array): number {
  let best = 0;
  for (let i = 1; i < predictions.length; i++) if (predictions[i]! > predictions[best]!) best = i;
  return best;
}
