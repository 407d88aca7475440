/**
 * What becomes of a question that a segmenter cannot be asked: by fixed rules it is asked the nearest one that it can
 * be, and the result says so. The rules, in order: a mask prompt that cannot be given is left out; negative points
 * likewise; where there are no points, the bounding box of the positive ones stands for them; where there is no box,
 * the points stand alone, or the box's centre; of too many points those that are farthest apart stay.
 */
import { type Box, type Point, type Size, squaredDistance } from '../geometry';
import { boundingBox } from '../pixels/mask';
import { type FloatMap, thresholdToMask } from '../pixels/raster';
import type { PointPrompt, PromptSet, SegmenterCapabilities } from './segmenter';

interface Degraded {
  /** What the segmenter is asked; nothing at all where nothing of the question can be asked. */
  readonly prompts: PromptSet;
  /** One sentence per rule that was applied; the same sentence each time, so that repetitions can be told. */
  readonly notes: readonly string[];
}

/**
 * @param image size of the image in targetPx, the frame of all prompts.
 * @param margin half a patch in targetPx: how far a positive point's patch reaches to either side of it.
 */
export function degradePrompts(
  prompts: PromptSet,
  capabilities: SegmenterCapabilities,
  image: Size,
  margin: Size,
): Degraded {
  const notes: string[] = [];
  let { points, box, maskPrompt } = prompts;
  if (maskPrompt && !capabilities.maskPrompt) {
    // A box says the least of what a mask does, but more than nothing.
    if (points.length === 0 && !box) box = boxOfMask(maskPrompt, image);
    notes.push(
      box && !prompts.box
        ? 'the segmenter takes no mask prompt: its bounding box was given instead'
        : 'the segmenter takes no mask prompt: it was left out',
    );
    maskPrompt = undefined;
  }
  if (!capabilities.negatives && points.some(isNegative)) {
    points = points.filter((prompt) => !isNegative(prompt));
    notes.push('the segmenter takes no negative points: they were left out');
  }
  if (!capabilities.points && points.length > 0) {
    const positives = points.filter((prompt) => !isNegative(prompt));
    if (box) notes.push('the segmenter takes no points: they were left out, the box stands alone');
    else if (positives.length > 0) {
      box = boxAround(positives, image, margin);
      notes.push(
        'the segmenter takes no points: the bounding box of the positive ones stands for them, half a patch wider on each side',
      );
    }
    points = [];
  }
  if (!capabilities.box && box) {
    if (points.some((prompt) => !isNegative(prompt)) || maskPrompt) {
      notes.push('the segmenter takes no box: it was left out');
    } else {
      points = [{ point: centreOf(box), label: 1 }, ...points];
      notes.push('the segmenter takes no box: its centre was given as a point instead');
    }
    box = undefined;
  }
  const most = capabilities.mostPoints === undefined ? points.length : capabilities.mostPoints - (box ? 2 : 0);
  if (points.length > most) {
    points = farthestApart(points, most);
    notes.push(
      `the segmenter takes at most ${capabilities.mostPoints} points, a box counting as two: those farthest apart were given`,
    );
  }
  return { prompts: { points, ...(box && { box }), ...(maskPrompt && { maskPrompt }) }, notes };
}

/** True where nothing is left to ask. */
export const isEmptyQuestion = ({ points, box, maskPrompt }: PromptSet): boolean =>
  points.length === 0 && !box && !maskPrompt;

const isNegative = ({ label }: PointPrompt): boolean => label === 0;

const centreOf = ({ left, top, right, bottom }: Box): Point => ({ x: (left + right) / 2, y: (top + bottom) / 2 });

function boxAround(points: readonly PointPrompt[], image: Size, margin: Size): Box {
  const xs = points.map(({ point }) => point.x);
  const ys = points.map(({ point }) => point.y);
  return {
    left: Math.max(0, Math.min(...xs) - margin.width),
    top: Math.max(0, Math.min(...ys) - margin.height),
    right: Math.min(image.width, Math.max(...xs) + margin.width),
    bottom: Math.min(image.height, Math.max(...ys) + margin.height),
  };
}

function boxOfMask(map: FloatMap, image: Size): Box | undefined {
  const box = boundingBox(thresholdToMask(map, map.size, 0));
  if (!box) return undefined;
  const x = image.width / map.size.width;
  const y = image.height / map.size.height;
  return { left: box.left * x, top: box.top * y, right: box.right * x, bottom: box.bottom * y };
}

/**
 * `count` of the points, in their order: the first positive one, then each time the one farthest from those taken.
 * Positives come first as long as they are fewer than two thirds, since a question without enough of them asks for
 * something else.
 */
function farthestApart(points: readonly PointPrompt[], count: number): PointPrompt[] {
  const positives = points.filter((prompt) => !isNegative(prompt));
  const negatives = points.filter(isNegative);
  const room = Math.max(count - negatives.length, Math.ceil((count * 2) / 3));
  const kept = spread(positives, Math.min(positives.length, room));
  const taken = new Set([...kept, ...spread(negatives, count - kept.length)]);
  return points.filter((prompt) => taken.has(prompt));
}

function spread(points: readonly PointPrompt[], count: number): PointPrompt[] {
  const left = [...points];
  const taken: PointPrompt[] = [];
  const nearest = new Map<PointPrompt, number>(left.map((prompt) => [prompt, Number.POSITIVE_INFINITY]));
  while (taken.length < count && left.length > 0) {
    const next = left.reduce((best, prompt) => (nearest.get(prompt)! > nearest.get(best)! ? prompt : best));
    left.splice(left.indexOf(next), 1);
    taken.push(next);
    for (const prompt of left) {
      nearest.set(prompt, Math.min(nearest.get(prompt)!, squaredDistance(prompt.point, next.point)));
    }
  }
  return taken;
}
