/** What every strategy takes and gives: pure stages over typed arrays; models appear only behind the ports. */
import type { Box, Size } from '../geometry';
import type { PixelClassifier, Standard } from '../pixelPrior/pixelClassifier';
import type { PixelFeatures, RgbPixels } from '../pixelPrior/pixelFeatures';
import type { Mask, RunMask } from '../pixels/mask';
import type { FloatMap } from '../pixels/raster';
import type { Instance } from '../prompting/instances';
import type { PromptCandidate } from '../prompting/prompts';
import type { PromptableImage, SegmenterCapabilities } from '../prompting/segmenter';
import type { MatchTable, PatchSets } from '../tokens/matching';
import type { PatchTokens } from '../tokens/patchGrid';
import type { TokenRows } from '../tokens/tokenRows';
import type { TrustParts } from '../tokens/trust';

/**
 * Switches of docs/method.md, all on by default: the five stages of prompt engineering, then what `ap-medsam` adds
 * to them and `gbmseg` does not have.
 */
export interface Ablation {
  /** Stage *backward matching*. */
  readonly backward: boolean;
  /** Stage *self matching*. */
  readonly self: boolean;
  /** Stage *hard negatives*. */
  readonly hard: boolean;
  /** Stage *sparse sampling*. */
  readonly sparse: boolean;
  /** Stage *exclusive sampling*. */
  readonly exclusive: boolean;
  /** Stage *foreground prior*, as mask prompt, and with it the four stages that work on the prior. */
  readonly prior: boolean;
  /** Stage *self-training*: the prior learns from patches of the target, before the segmenter is asked. */
  readonly selfTraining: boolean;
  /** Stage *alignment*: what the prior lacks in the reference is added where that lies in the target. */
  readonly alignment: boolean;
  /** Stage *self-test*: whether the prior is trusted over the decoder, and added to its answers. */
  readonly selfTest: boolean;
  /** Stage *pixel prior*, as far as the stage *self-test* is on too. */
  readonly pixels: boolean;
  /** Stage *specks*. */
  readonly specks: boolean;
  /** Asking again: stage *adaptation* of a whole class, stage *refinement* of single objects. */
  readonly refine: boolean;
}

export const NO_ABLATION: Ablation = {
  backward: true,
  self: true,
  hard: true,
  sparse: true,
  exclusive: true,
  prior: true,
  selfTraining: true,
  alignment: true,
  selfTest: true,
  pixels: true,
  specks: true,
  refine: true,
};

/** Everything that changes a strategy's result; part of a run key. */
export interface StrategyParameters {
  readonly ablation: Ablation;
  /**
   * Of strategies that judge: masks trusted less are dropped and their image is called absent, 0 to 1. Where undefined,
   * 0, and `DEFAULT_MIN_TRUST` where trust was fitted to the segmenter.
   */
  readonly minTrust?: number;
  /** How images are seen, of strategies that can see them in parts; `DEFAULT_VIEWS` where missing. */
  readonly views?: ViewChoice;
  /** What the pixels of targets much larger than the reference show, of the same strategies; see `ScaleChoice`. */
  readonly scale?: ScaleChoice;
  /** Of strategy `matcher`, which alone has it; its defaults where missing. */
  readonly matcher?: MatcherParameters;
  /** Of strategy `cluster`, which alone has it; its defaults where missing. */
  readonly cluster?: ClusterParameters;
}

/**
 * Low enough that it costs nothing: of 278 masks of twelve sets with a Dice of 0.5 or more none is trusted less, but 45
 * of 72 masks in images of another kind are, and 17 of 42 in parts of an image without the object (bench:trust).
 */
export const DEFAULT_MIN_TRUST = 0.05;

/**
 * Stage *several views*. `whole`: as a whole. `fast`: in the one way in which the references find themselves again
 * best, as a whole or in parts. `thorough`: in several ways, whose answers are averaged. A number: in so many parts
 * along the short side.
 */
export type ViewChoice = NamedViews | number;

export type NamedViews = 'fast' | 'thorough' | 'whole';

export const DEFAULT_VIEWS: NamedViews = 'fast';

/**
 * `same`: a pixel of a target shows as much as one of the reference, so a larger target is seen in more parts. `fit`: a
 * larger target shows the same larger, so it is seen as the reference is. `auto`: whichever looks more like it.
 */
export type ScaleChoice = 'auto' | 'same' | 'fit';

export const DEFAULT_SCALE: ScaleChoice = 'auto';

/** Which of Matcher's published settings: COCO-20i and LVIS-92i, FSS-1000, or PASCAL-Part. */
export type MatcherPreset = 'semantic' | 'object' | 'part';

interface MatcherParameters {
  readonly preset: MatcherPreset;
  /** Of the random prompt sets; 32 bits. */
  readonly seed: number;
}

/** `regions`: the joined regions are the mask. `prompt`: they are the mask prompt of the segmenter. */
export type ClusterPreset = 'regions' | 'prompt';

interface ClusterParameters {
  readonly preset: ClusterPreset;
}

export const MATCHER_DEFAULTS: MatcherParameters = { preset: 'object', seed: 0 };

export const CLUSTER_DEFAULTS: ClusterParameters = { preset: 'regions' };

export const DEFAULT_PARAMETERS: StrategyParameters = { ablation: NO_ABLATION };

/**
 * An image with its patch tokens, and a segmenter bound to it on request: an absent object costs no image embedding.
 */
export interface EncodedImage {
  readonly size: Size;
  readonly tokens: PatchTokens;
  /** The same before the encoder's last norm, where it gives them. */
  readonly preNormTokens?: PatchTokens;
  /** targetPx of what is one pixel of the reference; where undefined, what the ratio of the long sides says. */
  readonly scale?: number;
  /** What the segmenter can do, known before there is an image embedding. */
  readonly capabilities: SegmenterCapabilities;
  promptable(): Promise<PromptableImage>;
  /** The picture itself, read anew: at its own size, or as far reduced as `most` pixels ask for. */
  pixels?(most: number): Promise<RgbPixels>;
  /**
   * The same image in so many parts along a side where there was one: a finer grid of tokens that know what lies around
   * them, and finer logits. Missing, or undefined, where it cannot be seen so.
   */
  inParts?(parts: number): Promise<EncodedImage | undefined>;
}

export interface EncodedReference extends EncodedImage {
  inParts?(parts: number): Promise<EncodedReference>;
  /** Patch tokens of a changed copy of the image, on the same grid. */
  variant(change: ImageVariant): Promise<PatchTokens>;
}

/**
 * A change that leaves the object what it is. `mirror`: left and right exchanged. `gamma`: v -> 255 (v / 255)^gamma.
 * `zoom`: the part of the image that `box` (in its own pixels) holds, stretched to the model's input.
 */
export type ImageVariant =
  | { readonly kind: 'mirror' }
  | { readonly kind: 'gamma'; readonly gamma: number }
  | { readonly kind: 'zoom'; readonly box: Box };

/** Matching against one reference; the engine runs it as a graph, tests as plain loops. */
export interface MatcherPort {
  match(target: PatchTokens): Promise<MatchTable>;
  /** float32 [patches]: mean Euclidean distance of each of the patches' tokens to those of the others. */
  meanTokenDistances(target: PatchTokens, patches: readonly number[]): Promise<Float32Array>;
}

/** Similarities between tokens; the engine runs it as a graph, tests as plain loops. */
export interface CosinePort {
  /** float32 [a's rows, b's rows], row-major: the product of each unit token of `a` with each of `b`. */
  cosines(a: TokenRows, b: TokenRows): Promise<Float32Array>;
}

/** Scores of stage *pixel prior*; the engine runs them as a graph, tests as plain loops. */
export interface PixelPort {
  /** float32 at the features' size; above 0 where a pixel looks like the object. */
  scores(features: PixelFeatures, standard: Standard): Promise<FloatMap>;
}

/** Runs one named stage; throws the abort reason when the work was cancelled meanwhile. */
export interface StageRunner {
  stage<T>(name: string, work: () => T | Promise<T>): Promise<T>;
}

/** What preparing a reference runs on. */
export interface PreparationRunner extends StageRunner {
  openMatcher(reference: PatchTokens, proposers: PatchSets): Promise<MatcherPort>;
  openCosines(): Promise<CosinePort>;
  openPixels(classifier: PixelClassifier): Promise<PixelPort>;
  /**
   * Values that depend on the references, their masks and weights, and on the models alone: computed once, then found
   * on disk by later processes. `revision` changes with the computation.
   *
   * @param which the only reference that they depend on, 0 for the first; where undefined, all of them
   */
  remember(revision: string, compute: () => Promise<RememberedValues>, which?: number): Promise<RememberedValues>;
}

export type RememberedValues = Readonly<Record<string, Float64Array>>;

export interface Segmentation {
  /** `absent`: nothing was found, or what was found is trusted less than asked for. */
  readonly outcome: 'mask' | 'absent';
  /** Union of all instances, in targetPx. */
  readonly mask: RunMask;
  /** The objects where they were prompted separately and there is more than one, else empty. */
  readonly instances: readonly Instance[];
  /**
   * One map per object that was asked for: a pixel of `mask` is above 0 in one of them. Empty where nothing was found.
   */
  readonly logits: readonly FloatMap[];
  readonly prompts: readonly PromptCandidate[];
  /**
   * The IoU to be expected of the mask: the mean of the instances, as the segmenter estimates it, or how much of the
   * mask stays where the threshold moves by 1 either way, where a prior led to it. Undefined where nothing was found,
   * or no segmenter was asked.
   */
  readonly iouPrediction: number | undefined;
  /** How far to believe the mask that was found, and why; missing where nothing was, or the strategy does not judge. */
  readonly trust?: number;
  readonly trustParts?: TrustParts;
  /** The mask prompt that the segmenter got together with the points, where it got one. */
  readonly maskPrompt?: FloatMap;
  /** What was added to the segmenter's logits, where something was. */
  readonly answerPrior?: FloatMap;
  readonly notes: readonly string[];
}

/**
 * Orders results by how far their masks are believed: by trust, or else by the IoU prediction. What has neither comes
 * after all numbers, as in review, yet before Infinity, which asks for everything.
 */
export const beliefIn = ({ trust, iouPrediction }: Pick<Segmentation, 'trust' | 'iouPrediction'>): number =>
  trust ?? iouPrediction ?? Number.MAX_VALUE;

/** A reference made ready for one strategy; computed once per batch. */
export interface PreparedReference {
  readonly foregroundPatches: number;
  readonly backgroundPatches: number;
  readonly notes: readonly string[];
  segment(target: EncodedImage, runner: StageRunner): Promise<Segmentation>;
}

/** An image whose object is known: support mask in referencePx. */
export interface LabelledReference {
  readonly image: EncodedReference;
  readonly mask: Mask;
}

/** A further reference of a class: open only while it is looked at, so that any number of them can teach. */
export interface FurtherReference {
  /** How much it teaches; what the first one teaches counts 1. */
  readonly weight: number;
  /** Reads and encodes it. Who keeps what comes back keeps its tokens in memory. */
  open(): Promise<LabelledReference>;
}

export interface Strategy {
  /** Most references of a class that it lets vote; 1 where undefined. */
  readonly mostReferences?: number;
  /** Whether it can see images in parts. */
  readonly views?: true;
  /** Whether it gives trust, so that `minTrust` means something. */
  readonly judges?: boolean;
  /** Its named settings, the default first; no other strategy has one of these names. */
  readonly presets?: Readonly<Record<string, Omit<StrategyParameters, 'ablation'>>>;
  /**
   * @param mask support mask in referencePx; throws UserError when it has no foreground.
   * @param others further references of the same class, which teach with the first one where the strategy can take
   *   them.
   */
  prepare(
    reference: EncodedReference,
    mask: Mask,
    parameters: StrategyParameters,
    runner: PreparationRunner,
    others?: readonly FurtherReference[],
  ): Promise<PreparedReference>;
}
