/** Which images of a folder a person corrects next. Pure. */
import { rankCandidates } from '../../src/core/tokens/labelNext';
import { seededPick } from './bench';

/** `trust`: as the Review view lists them, the least trusted first. `suggest`: stage *label next*. */
export const ORDERS = ['trust', 'suggest', 'random'] as const;
export type CorrectionOrder = (typeof ORDERS)[number];

/** An image that nobody has corrected. */
export interface Untouched {
  readonly name: string;
  /** In its automatic mask, null where nothing was judged. */
  readonly trust: number | null;
  /** See `describeImage` of core. */
  readonly descriptor: Float32Array;
}

/** Of an image in which nothing was found: it may be right. */
const NEED_ABSENT = 0.5;

/**
 * Names of the next `count` images, fewer where there are no more.
 *
 * @param labelled descriptors of the references and of what was corrected
 */
export function nextToCorrect(
  order: CorrectionOrder,
  images: readonly Untouched[],
  labelled: readonly Float32Array[],
  count: number,
  random: () => number,
): string[] {
  const names = (some: readonly Untouched[]) => some.slice(0, count).map(({ name }) => name);
  if (order === 'random') return names(seededPick(images, count, random));
  const doubtful = [...images].sort((a, b) => (a.trust ?? 1) - (b.trust ?? 1));
  if (order === 'trust') return names(doubtful);
  const candidates = images.map(({ trust, descriptor }) => ({
    descriptor,
    need: trust === null ? NEED_ABSENT : 1 - trust,
    eligible: true,
  }));
  const chosen = rankCandidates(candidates, labelled, count).map(({ index }) => images[index]);
  return names([...chosen, ...doubtful.filter((image) => !chosen.includes(image))]);
}
