/**
 * Stage *instances*: a segmenter that answers one object per prompt set is asked once per spatial cluster of
 * positives, and masks that say the same twice are suppressed.
 */
import { squaredDistance } from '../geometry';
import type { Mask, RunMask } from '../pixels/mask';
import { iou } from '../pixels/maskMetrics';
import { type PromptCandidate, spreadPoints } from './prompts';

/** One object of those that were asked for one by one. */
export interface Instance {
  /** In targetPx. */
  readonly mask: RunMask;
  /** The segmenter's own estimate of the IoU of this mask. */
  readonly iouPrediction: number;
  /** How far to believe this mask, 0 to 1; missing where the strategy does not judge. */
  readonly trust?: number;
}

/** Two masks that overlap more than this are the same object (method: duplicates). */
const DUPLICATE_IOU = 0.7;

/**
 * Splits positives (those with reason `kept`) into spatial clusters by single linkage: two points closer than `link`
 * (targetPx) belong together. Clusters come in the order of their first point.
 */
export function clusterPositives(positives: readonly PromptCandidate[], link: number): PromptCandidate[][] {
  const clusters: PromptCandidate[][] = [];
  const open = new Set(positives);
  for (const start of positives) {
    if (!open.delete(start)) continue;
    const cluster = [start];
    for (const member of cluster) {
      for (const other of open) {
        if (squaredDistance(member.point, other.point) >= link * link) continue;
        open.delete(other);
        cluster.push(other);
      }
    }
    clusters.push(cluster);
  }
  return clusters;
}

/**
 * One list of candidates per cluster: its own positives, spread and at most 16, the medoids of the other clusters as
 * negatives, and the common negatives. All carry the cluster's index as `instance`.
 */
export function instancePrompts(
  clusters: readonly (readonly PromptCandidate[])[],
  negatives: readonly PromptCandidate[],
): PromptCandidate[][] {
  const medoids = clusters.map(medoid);
  return clusters.map((cluster, instance) => {
    const others = medoids
      .filter((_, index) => index !== instance)
      .map((candidate): PromptCandidate => ({ ...candidate, label: 0, source: 'instance' }));
    return [...spreadPoints(cluster), ...others, ...negatives].map((candidate) => ({ ...candidate, instance }));
  });
}

/** The point whose summed distance to the others is smallest; of equals the first. */
function medoid(cluster: readonly PromptCandidate[]): PromptCandidate {
  const cost = ({ point }: PromptCandidate) =>
    cluster.reduce((sum, other) => sum + Math.sqrt(squaredDistance(point, other.point)), 0);
  return cluster.reduce((best, candidate) => (cost(candidate) < cost(best) ? candidate : best));
}

/**
 * Indices of the masks to keep: best IoU prediction first, dropping any that overlaps a kept one by more than 0.7 IoU.
 */
export function withoutDuplicates(masks: readonly Mask[], iouPredictions: readonly number[]): number[] {
  const order = masks.map((_, index) => index).sort((a, b) => iouPredictions[b] - iouPredictions[a] || a - b);
  const kept: number[] = [];
  for (const index of order) {
    if (kept.every((other) => iou(masks[index], masks[other]) <= DUPLICATE_IOU)) kept.push(index);
  }
  return kept.sort((a, b) => a - b);
}
