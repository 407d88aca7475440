/**
 * One object in a very unsure answer. What the segmenter is unsure of it draws faintly, and in part above and in part below its
 * threshold; an object shows where the outline stays as the threshold moves (maximally stable extremal regions, Matas et al. 2002).
 */
import { type Components, foregroundComponents } from './components';
import { createMask } from './mask';
import type { FloatMap } from './raster';
import { maskStability } from './trust';

/** Answers more stable than this are left as they are. */
const UNSURE = 0.35;

/**
 * Thresholds that are tried, the segmenter's own first: of equals it stays. None above it, where a sure core would pass for the
 * object.
 */
const LEVELS = [0, -1, -2] as const;

/** A component changes by how many pixels come and go as the threshold moves by so much either way. */
const STEP = 1;

/** Share of the answer's pixels below which a component is chance. */
const SMALLEST = 1 / 2000;
/** Share above which it is the background: far below the threshold everything is one component, and stays it. */
const LARGEST = 1 / 2;

/** What is not the object becomes as sure not to be as a speck. */
const SURE = 8;

/**
 * Logits of the steadiest component alone, less the threshold at which it is steadiest. A sure answer, one that draws nothing and
 * one in which no component has the size of an object come back as they are.
 */
export function steadiestObject(logits: FloatMap): FloatMap {
  const { size, data } = logits;
  if (maskStability([logits]) >= UNSURE || !data.some((logit) => logit > 0)) return logits;
  const above = new Map<number, Components>();
  const components = (level: number): Components => {
    const known = above.get(level) ?? componentsAbove(logits, level);
    above.set(level, known);
    return known;
  };
  let best = { level: 0, label: 0, stability: 0 };
  for (const level of LEVELS) {
    const { labels, list } = components(level);
    const loose = components(level - STEP);
    const strict = new Float64Array(list.length + 1);
    const first = new Int32Array(list.length + 1).fill(-1);
    for (let at = 0; at < data.length; at++) {
      const label = labels[at];
      if (label === 0) continue;
      if (first[label] < 0) first[label] = at;
      if (data[at] > level + STEP) strict[label]++;
    }
    for (const { label, area } of list) {
      const stability = strict[label] / loose.list[loose.labels[first[label]] - 1].area;
      const share = area / data.length;
      if (share < SMALLEST || share > LARGEST) continue;
      if (stability > best.stability) best = { level, label, stability };
    }
  }
  if (best.label === 0) return logits;
  const { labels } = components(best.level);
  const kept = new Float32Array(data.length);
  for (let at = 0; at < data.length; at++) {
    kept[at] = labels[at] > 0 && labels[at] !== best.label ? -SURE : data[at] - best.level;
  }
  return { size, data: kept };
}

function componentsAbove({ size, data }: FloatMap, level: number): Components {
  const mask = createMask(size);
  for (let at = 0; at < data.length; at++) mask.data[at] = data[at] > level ? 1 : 0;
  return foregroundComponents(mask);
}
