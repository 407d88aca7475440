/**
 * Stage *specks*: where the references show one object, specks and rivals go (in place of "keep the largest component",
 * which would lose all but one of several objects). Of several objects nothing goes: small ones look like specks.
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
 * The same where the heaviest component outweighs all others together. (With one object in the reference and many in
 * the target, none does.) With 0.25 the mean Dice changes by 0.002, with 0.75
 * by nothing (see docs/accuracy.md).
 */
const RIVAL_SHARE = 0.5;

/** Logits count up to here: beyond it the segmenter is sure, and a small sure object should not fall to a large one. */
const SURE = 8;

/** Objects that a support mask shows: components that are more than a speck beside the largest. */
export function countObjects(mask: Mask): number {
  const { list } = foregroundComponents(mask);
  const largest = list.reduce((most, { area }) => Math.max(most, area), 0);
  return list.filter(({ area }) => area >= SPECK_SHARE * largest).length;
}

/**
 * Logits of a single object, with all that is not it pushed to -8. A component (8-connected, logit > 0) weighs the sum
 * of its logits, each counted up to 8; so a faint smear goes before a small but certain object.
 */
export function withoutSpecks(logits: FloatMap): FloatMap {
  const { size, data } = logits;
  const drawn = createMask(size);
  for (let at = 0; at < data.length; at++) drawn.data[at] = data[at] > 0 ? 1 : 0;
  const { labels, list } = foregroundComponents(drawn);
  if (list.length < 2) return logits;
  const weights = new Float64Array(list.length + 1);
  for (let at = 0; at < data.length; at++) if (labels[at] > 0) weights[labels[at]] += Math.min(data[at], SURE);
  const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  const speck = SPECK_SHARE * heaviest;
  const total = weights.reduce((sum, weight) => sum + (weight >= speck ? weight : 0), 0);
  const least = 2 * heaviest >= total ? RIVAL_SHARE * heaviest : speck;
  const kept = data.slice();
  for (let at = 0; at < data.length; at++) if (labels[at] > 0 && weights[labels[at]] < least) kept[at] = -SURE;
  return { size, data: kept };
}
