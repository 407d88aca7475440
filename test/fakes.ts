/**
 * Stand-ins for models: tokens that spell out a drawing, and a segmenter whose answer is a known function of its
 * prompts.
 */
import { area, type Size, squaredDistance } from '../src/core/geometry';
import { scoreRows, termsOf } from '../src/core/pixelPrior/pixelClassifier';
import type { Mask } from '../src/core/pixels/mask';
import { resizeBilinear } from '../src/core/pixels/raster';
import type { DecodedMask, PromptSet, SegmenterCapabilities } from '../src/core/prompting/segmenter';
import type {
  EncodedReference,
  FurtherReference,
  LabelledReference,
  PreparationRunner,
} from '../src/core/strategies/strategy';
import type { PatchTokens } from '../src/core/tokens/patchGrid';
import { patchCoverage } from '../src/core/tokens/supportMask';
import { cosines } from '../src/core/tokens/tokenRows';
import { matchTokens, meanTokenDistances } from './oracles';
import { seededRandom } from './seeded';

export const everyCapability: SegmenterCapabilities = {
  points: true,
  negatives: true,
  box: true,
  maskPrompt: true,
  iterative: true,
  promptBatch: true,
  multimask: false,
  wholeClass: true,
};

const DIM = 8;

/** Unit tokens that say how much of a patch a mask covers, with a little noise so that no two are the same. */
export function tokensFromMask(mask: Mask, grid: Size, seed = 1): PatchTokens {
  const random = seededRandom(seed);
  const data = new Float32Array(area(grid) * DIM);
  patchCoverage(mask, grid).forEach((share, patch) => {
    const token = Array.from({ length: DIM }, () => 0.1 * (random() - 0.5));
    token[0] += share;
    token[1] += 1 - share;
    const length = Math.hypot(...token);
    data.set(
      token.map((value) => value / length),
      patch * DIM,
    );
  });
  return { grid, dim: DIM, data, normalised: true };
}

export interface FakeImageOptions {
  readonly capabilities?: Partial<SegmenterCapabilities>;
  readonly decode?: (prompts: PromptSet, size: Size) => DecodedMask;
  /** Receives every question. */
  readonly asked?: PromptSet[];
}

/** An encoded image of an object that `mask` draws. */
export function fakeImage(mask: Mask, grid: Size, options: FakeImageOptions = {}, seed = 1): EncodedReference {
  const { decode = discOrPrompt, asked = [] } = options;
  const capabilities = { ...everyCapability, ...options.capabilities };
  return {
    size: mask.size,
    tokens: tokensFromMask(mask, grid, seed),
    capabilities,
    variant: async () => tokensFromMask(mask, grid, seed + 1),
    promptable: async () => ({
      capabilities,
      decode: async (prompts) => {
        asked.push(...prompts);
        return prompts.map((prompt) => decode(prompt, mask.size));
      },
    }),
  };
}

/** A reference that others teach beside. */
export const further = (labelled: LabelledReference, weight = 1): FurtherReference => ({
  weight,
  open: async () => labelled,
});

/** The mask prompt passed through where there is one, else a disc of 6 px around every positive point. */
export function discOrPrompt({ points, maskPrompt }: PromptSet, size: Size): DecodedMask {
  if (maskPrompt) return { logits: resizeBilinear(maskPrompt, size), iouPrediction: 0.9 };
  const data = Float32Array.from({ length: area(size) }, (_, at) => {
    const pixel = { x: (at % size.width) + 0.5, y: Math.floor(at / size.width) + 0.5 };
    return points.some(({ point, label }) => label === 1 && squaredDistance(point, pixel) <= 36) ? 1 : -1;
  });
  return { logits: { size, data }, iouPrediction: 0.8 };
}

/** Plain-loop matching, nothing remembered, no stage skipped. */
export const plainRunner: PreparationRunner = {
  stage: async (_, work) => work(),
  remember: (_, compute) => compute(),
  openMatcher: async (reference, proposers) => ({
    match: async (target) => matchTokens(reference, target, proposers),
    meanTokenDistances: async (target, patches) => meanTokenDistances(target, patches),
  }),
  openPixels: async (classifier) => ({
    scores: async (features, standard) => ({
      size: features.size,
      data: scoreRows(classifier, termsOf(features, standard, Int32Array.from(Array(area(features.size)).keys()))),
    }),
  }),
  openCosines: async () => ({ cosines: async (a, b) => cosines(a, b) }),
};

/** A mask with filled discs. */
export function discs(size: Size, ...centres: readonly { x: number; y: number; radius: number }[]): Mask {
  const data = Uint8Array.from({ length: area(size) }, (_, at) => {
    const pixel = { x: (at % size.width) + 0.5, y: Math.floor(at / size.width) + 0.5 };
    return centres.some((disc) => squaredDistance(disc, pixel) <= disc.radius ** 2) ? 1 : 0;
  });
  return { size, data };
}
