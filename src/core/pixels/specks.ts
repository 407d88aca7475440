/**
 * Stage *specks*: specks in a mask go (in place of "keep the largest component", which would lose all but one of
 * several objects).
 */
import { foregroundComponents } from './components';
import { createMask, type Mask } from './mask';
import type { FloatMap } from './raster';

/**
 * A component that weighs less than this share of the heaviest one is a speck (half of it: Dice +0.003; twice as much:
 * -0.005; see docs/accuracy.md).
 */
const SPECK_SHARE = 0.05;

/**
 * The same where the references show a single object and the heaviest component outweighs all others together. (With
 * one object in the reference and many in the target, none does.) With 0.25 the mean Dice changes by 0.002, with 0.75
 * by nothing (see docs/accuracy.md).
 */
const RIVAL_SHARE = 0.5;

/** Logits count up to here: beyond it the segmenter is sure, and a small sure object should not fall to a large one. */
const SURE = 8;

/** Whether a support mask shows one object: no component that is more than a speck beside the largest. */
export function showsOneObject(mask: Mask): boolean {
  const { list } = foregroundComponents(mask);
  const largest = list.reduce((most, { area }) => Math.max(most, area), 0);
  return list.filter(({ area }) => area >= SPECK_SHARE * largest).length === 1;
}

/**
 * Logits with the specks pushed to -8. A component (8-connected, logit > 0) weighs the sum of its logits, each counted
 * up to 8; so a faint smear goes before a small but certain object.
 *
 * @param single whether one object is looked for, see `showsOneObject`.
 */
export function withoutSpecks(logits: FloatMap, single = false): FloatMap {
  const { size, data } = logits;
  const drawn = createMask(size);
  for (let at = 0; at < data.length; at++) drawn.data[at] = data[at] > 0 ? 1 : 0;
  const { labels, list } = foregroundComponents(drawn);
  if (list.length < 2) return logits;
  const weights = new Float64Array(list.length + 1);
  for (let at = 0; at < data.length; at++) if (labels[at] > 0) weights[labels[at]] += Math.min(data[at], SURE);
  const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const least = (single && 2 * heaviest >= total ? RIVAL_SHARE : SPECK_SHARE) * heaviest;
  const kept = data.slice();
  for (let at = 0; at < data.length; at++) if (labels[at] > 0 && weights[labels[at]] < least) kept[at] = -SURE;
  return { size, data: kept };
}
