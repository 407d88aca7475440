/**
 * Specks in a mask (stage A.9, in place of "keep the largest component", which would lose all but one of several
 * objects).
 */
import { foregroundComponents } from './components';
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
  const { labels, list } = foregroundComponents({ size, data: Uint8Array.from(data, (value) => (value > 0 ? 1 : 0)) });
  if (list.length < 2) return logits;
  const weights = new Float64Array(list.length + 1);
  labels.forEach((label, at) => {
    if (label > 0) weights[label] += Math.min(data[at], SURE);
  });
  const least = SPECK_SHARE * weights.reduce((most, weight) => Math.max(most, weight), 0);
  return { size, data: data.map((value, at) => (labels[at] > 0 && weights[labels[at]] < least ? -SURE : value)) };
}
