/**
 * Specks in a mask (stage A.9, in place of "keep the largest component", which would lose all but one of several
 * objects).
 */
import { foregroundComponents } from './components';
import { createMask } from './mask';
import type { FloatMap } from './raster';

/** A component that weighs less than this share of the heaviest one is a speck. */
const SPECK_SHARE = 0.05;

/** Logits count up to here: beyond it the segmenter is sure, and a small sure object should not fall to a large one. */
const SURE = 8;

/**
 * Logits with the specks pushed to -8. A component (8-connected, logit > 0) weighs the sum of its logits, each counted up
 * to 8; so a faint smear goes before a small but certain object.
 */
export function withoutSpecks(logits: FloatMap): FloatMap {
  const { size, data } = logits;
  const drawn = createMask(size);
  for (let at = 0; at < data.length; at++) drawn.data[at] = data[at] > 0 ? 1 : 0;
  const { labels, list } = foregroundComponents(drawn);
  if (list.length < 2) return logits;
  const weights = new Float64Array(list.length + 1);
  for (let at = 0; at < data.length; at++) weights[labels[at]] += Math.min(data[at], SURE);
  // Label 0 is the background, whose weight says nothing.
  weights[0] = Number.POSITIVE_INFINITY;
  const least = SPECK_SHARE * weights.subarray(1).reduce((most, weight) => Math.max(most, weight), 0);
  const kept = data.slice();
  for (let at = 0; at < data.length; at++) if (weights[labels[at]] < least) kept[at] = -SURE;
  return { size, data: kept };
}
