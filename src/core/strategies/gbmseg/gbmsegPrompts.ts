/**
 * The prompts of GBMSeg's released script (Liu et al., MICCAI 2024, arXiv 2406.16271; github.com/XueyuLiu/GBMSeg), with
 * its numbers and its quirks, so that results can be compared:
 * - its loops stop one patch short, so the last row and column of patches are neither foreground nor background;
 * - a rejected match leaves -1 in the array, which becomes one point above the image's top right corner (at (553, -7)
 *   of its 560 px input), labelled like the match it replaces;
 * - self matching is computed and thrown away, so the switch `self` changes nothing;
 * - the radii are absolute pixels (64 and 128) of the target image;
 * - sparse sampling groups points in order of appearance, and the member farthest from the positives on average stays;
 * - exclusive sampling does not ask hard negatives.
 */
import { distance, type Point, type Size } from '../../geometry';
import {
  exclusiveSampling,
  GBMSEG_RADII,
  type PromptCandidate,
  type PromptReason,
  type PromptSource,
} from '../../prompting/prompts';
import {
  backwardMatches,
  farthestMatches,
  forwardMatches,
  hardNegatives,
  type Match,
  type MatchTable,
  type PatchSets,
} from '../../tokens/matching';
import type { Ablation } from '../strategy';

interface GbmsegInput {
  readonly table: MatchTable;
  /** Wholly foreground and background patches without the last row and column. */
  readonly sets: PatchSets;
  /** Size of the target image in targetPx. */
  readonly target: Size;
  readonly ablation: Ablation;
}

/** The script's placeholder for a rejected match. */
const REJECTED = -1;

/**
 * Positives, negatives, hard negatives, each in order of first appearance, with points rounded to whole targetPx as the
 * script does. Empty when no reference patch is wholly foreground.
 */
export function gbmsegPrompts({ table, sets, target, ablation }: GbmsegInput): PromptCandidate[] {
  if (sets.foreground.length === 0) return [];
  const place = (match: Match, label: 0 | 1, source: PromptSource, reason: PromptReason = 'kept'): PromptCandidate => ({
    ...match,
    label,
    source,
    reason,
    point: scriptPoint(match.targetPatch, table.targetGrid, target),
    instance: 0,
  });
  const matched = (patches: Int32Array, label: 0 | 1) => {
    const matches = inOrderOfAppearance(forwardMatches(table, patches), patches, table.nearestTarget);
    const returned = ablation.backward ? backwardMatches(matches, patches) : { kept: matches, rejected: [] };
    const kept = returned.kept.map((match) => place(match, label, 'forward'));
    const failed = returned.rejected.map((match) => place(match, label, 'forward', 'failed backward'));
    const first = patches.findIndex((patch) => failed.some((f) => f.targetPatch === table.nearestTarget[patch]));
    if (first >= 0) {
      // The off-image point stands where the first rejected match stood.
      const before = new Set([...patches.slice(0, first)].map((patch) => table.nearestTarget[patch]));
      const position = kept.filter((candidate) => before.has(candidate.targetPatch)).length;
      kept.splice(position, 0, place({ ...failed[0], targetPatch: REJECTED }, label, 'forward'));
    }
    return { kept, failed };
  };

  const positives = matched(sets.foreground, 1);
  const negatives = matched(sets.background, 0);
  const farthest = inOrderOfAppearance(farthestMatches(table, sets.foreground), sets.foreground, table.farthestTarget);
  let hard = ablation.hard ? hardNegatives(farthest, sets.foreground).map((match) => place(match, 0, 'hard')) : [];
  let spread = negatives.kept;
  if (ablation.sparse) {
    spread = groupByFirstVisit(spread, positives.kept, GBMSEG_RADII.sparse);
    hard = groupByFirstVisit(hard, positives.kept, GBMSEG_RADII.sparse);
  }
  if (ablation.exclusive) spread = exclusiveSampling(spread, positives.kept, GBMSEG_RADII.exclusive);
  return [...positives.kept, ...positives.failed, ...spread, ...negatives.failed, ...hard];
}

/** Patch centre with Python's floor division and modulo, and its rounding of halves to even, as in the script. */
function scriptPoint(patch: number, grid: Size, target: Size): Point {
  const row = Math.floor(patch / grid.width);
  const column = patch - row * grid.width;
  return {
    x: roundHalfToEven(((column + 0.5) * target.width) / grid.width),
    y: roundHalfToEven(((row + 0.5) * target.height) / grid.height),
  };
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The matches in the order in which `patches` first name their target patches. */
function inOrderOfAppearance(matches: readonly Match[], patches: Int32Array, targets: Int32Array): Match[] {
  const byTarget = new Map(matches.map((match) => [match.targetPatch, match]));
  const order = new Set([...patches].map((patch) => targets[patch]));
  return [...order].map((target) => byTarget.get(target)!);
}

/**
 * The script's sparse sampling: an unvisited point starts a group with every unvisited point within `radius`
 * (targetPx); the member whose mean distance to the positives is largest stays, of equals the one listed last, where
 * the starting point is listed after those that joined it. Returned in the order of the groups, thinned members last.
 */
function groupByFirstVisit(
  points: readonly PromptCandidate[],
  positives: readonly PromptCandidate[],
  radius: number,
): PromptCandidate[] {
  const meanDistance = ({ point }: PromptCandidate) =>
    positives.reduce((sum, positive) => sum + distance(positive.point, point), 0) / positives.length;
  const visited = new Set<PromptCandidate>();
  const kept: PromptCandidate[] = [];
  for (const start of points) {
    if (visited.has(start)) continue;
    const joined = points.filter(
      (other) => other !== start && !visited.has(other) && distance(start.point, other.point) <= radius,
    );
    const members = [...joined, start];
    for (const member of members) visited.add(member);
    kept.push(members.reduce((best, member) => (meanDistance(member) >= meanDistance(best) ? member : best)));
  }
  const thinned = points.filter((point) => !kept.includes(point));
  return [...kept, ...thinned.map((point): PromptCandidate => ({ ...point, reason: 'thinned' }))];
}
