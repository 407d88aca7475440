/**
 * Stage *mask proposals*: what a segmenter answered to many prompts, sifted before anything dear is computed. Stability
 * and the thresholds are those of SAM's automatic mask generator (Kirillov et al. 2023, arXiv 2304.02643).
 *
 * Where we differ: duplicates are found by the IoU of the masks, not of their boxes, because masks of a whole class
 * (many objects in one) nearly all have the box of the image.
 */
import { area, moveToFrame, type Point, type Size } from '../../geometry';
import type { Mask } from '../../pixels/mask';
import type { FloatMap } from '../../pixels/raster';
import type { DecodedMask } from '../../prompting/segmenter';

/** A mask with 32 pixels to a word: small to keep, quick to compare. */
export interface PackedMask {
  readonly size: Size;
  /** uint32 [ceil(pixels / 32)], row-major; bit k of word w is pixel 32 w + k. */
  readonly words: Uint32Array;
  /** Number of foreground pixels. */
  readonly area: number;
}

export interface Proposal {
  readonly logits: FloatMap;
  /** The logits above 0. */
  readonly mask: PackedMask;
  readonly iouPrediction: number;
  /** IoU of the logits above 1 and above -1, in [0, 1]; 0 where both are empty. */
  readonly stability: number;
}

export function toProposal({ logits, iouPrediction }: DecodedMask): Proposal {
  const { data } = logits;
  const words = new Uint32Array(Math.ceil(data.length / 32));
  let pixels = 0;
  let inner = 0;
  let outer = 0;
  for (let at = 0; at < data.length; at++) {
    const value = data[at];
    if (value <= -1) continue;
    outer++;
    if (value <= 0) continue;
    words[at >> 5] |= 1 << (at & 31);
    pixels++;
    if (value > 1) inner++;
  }
  const mask = { size: logits.size, words, area: pixels };
  return { logits, mask, iouPrediction, stability: outer === 0 ? 0 : inner / outer };
}

export interface SiftingRules {
  readonly leastIouPrediction: number;
  readonly leastStability: number;
  /** Of two masks that overlap more than this the one with the lower IoU prediction goes. */
  readonly duplicateIou: number;
}

/** Kept where the rules would leave nothing: the segmenter doubts all it drew, and stage *mask scores* decides. */
const KEPT_IN_DOUBT = 10;

/**
 * The proposals that keep to the rules of quality, in their order. Empty ones go always. Where all others fail, the ten
 * with the best IoU predictions stay, and `doubtful` says so. Taken again with further proposals it gives what all at
 * once would.
 */
export function plausible(
  proposals: readonly Proposal[],
  { leastIouPrediction, leastStability }: Omit<SiftingRules, 'duplicateIou'>,
): { readonly kept: Proposal[]; readonly doubtful: boolean } {
  const drawn = proposals.filter(({ mask }) => mask.area > 0);
  const sure = drawn.filter(
    ({ iouPrediction, stability }) => iouPrediction >= leastIouPrediction && stability >= leastStability,
  );
  if (sure.length > 0 || drawn.length === 0) return { kept: sure, doubtful: false };
  const best = new Set(byPrediction(drawn).slice(0, KEPT_IN_DOUBT));
  return { kept: drawn.filter((proposal) => best.has(proposal)), doubtful: true };
}

/** The plausible proposals without duplicates: what is worth scoring, in its order. */
export function sift(
  proposals: readonly Proposal[],
  rules: SiftingRules,
): { readonly kept: Proposal[]; readonly doubtful: boolean } {
  const { kept, doubtful } = plausible(proposals, rules);
  const different: Proposal[] = [];
  for (const proposal of byPrediction(kept)) {
    if (different.every((other) => packedIou(proposal.mask, other.mask) <= rules.duplicateIou))
      different.push(proposal);
  }
  return { kept: kept.filter((proposal) => different.includes(proposal)), doubtful };
}

/** Best first; equals stay in their order, because sorting is stable. */
const byPrediction = (proposals: readonly Proposal[]): Proposal[] =>
  [...proposals].sort((a, b) => b.iouPrediction - a.iouPrediction);

/** IoU of two masks of the same size; 0 where both are empty. */
export function packedIou(a: PackedMask, b: PackedMask): number {
  let common = 0;
  for (let at = 0; at < a.words.length; at++) common += bitCount(a.words[at] & b.words[at]);
  const together = a.area + b.area - common;
  return together === 0 ? 0 : common / together;
}

export function unpack({ size, words }: PackedMask): Mask {
  return { size, data: Uint8Array.from({ length: area(size) }, (_, at) => (words[at >> 5] >>> (at & 31)) & 1) };
}

/** Whether the pixel under a point of an image of `image` pixels, which the mask covers, is foreground. */
export function holds({ size, words }: PackedMask, point: Point, image: Size): boolean {
  const { x, y } = moveToFrame(point, image, size);
  const column = Math.min(size.width - 1, Math.max(0, Math.floor(x)));
  const row = Math.min(size.height - 1, Math.max(0, Math.floor(y)));
  const at = row * size.width + column;
  return ((words[at >> 5] >>> (at & 31)) & 1) === 1;
}

/** Union of the proposals as logits: the largest of each pixel. All have the same size; there is at least one. */
export function mergeLogits(proposals: readonly Proposal[]): FloatMap {
  const [{ logits }, ...others] = proposals;
  const data = logits.data.slice();
  for (const other of others) {
    for (let at = 0; at < data.length; at++) data[at] = Math.max(data[at], other.logits.data[at]);
  }
  return { size: logits.size, data };
}

/** Ones in a 32-bit word, counted in parallel (Warren, Hacker's Delight, 5-1). */
function bitCount(word: number): number {
  let count = word - ((word >>> 1) & 0x55555555);
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
