/** What every strategy takes and gives: pure stages over typed arrays; models appear only behind the ports. */
import type { Size } from '../geometry';
import type { Mask } from '../mask';
import type { MatchTable, PatchSets } from '../matching';
import type { PatchTokens } from '../patchGrid';
import type { PromptCandidate } from '../prompts';
import type { PromptableImage } from '../segmenter';

export type StrategyId = 'ap-medsam' | 'gbmseg';

/** The five switches of the ablation table; all on by default. */
export interface Ablation {
  readonly backward: boolean;
  readonly self: boolean;
  readonly hard: boolean;
  readonly sparse: boolean;
  readonly exclusive: boolean;
}

export const NO_ABLATION: Ablation = { backward: true, self: true, hard: true, sparse: true, exclusive: true };

/** Everything that changes a strategy's result; part of a run key. */
export interface StrategyParameters {
  readonly ablation: Ablation;
}

export const DEFAULT_PARAMETERS: StrategyParameters = { ablation: NO_ABLATION };

/** An image with its patch tokens, and a segmenter bound to it on request: an absent object costs no image embedding. */
export interface EncodedImage {
  readonly size: Size;
  readonly tokens: PatchTokens;
  promptable(): Promise<PromptableImage>;
}

/** Matching against one reference; the engine runs it as a graph, tests as plain loops. */
export interface MatcherPort {
  match(target: PatchTokens): Promise<MatchTable>;
  /** float32 [patches]: mean Euclidean distance of each of the patches' tokens to those of the others. */
  meanTokenDistances(target: PatchTokens, patches: readonly number[]): Promise<Float32Array>;
}

/** What the stages run on: opens matchers, times stages, and stops between stages when the caller has cancelled. */
export interface StageRunner {
  openMatcher(reference: PatchTokens, sets: PatchSets): Promise<MatcherPort>;
  /** Runs one named stage; throws the abort reason when the work was cancelled meanwhile. */
  stage<T>(name: string, work: () => T | Promise<T>): Promise<T>;
}

export interface Segmentation {
  /** `absent`: no positive prompt survived, so no mask was drawn. */
  readonly outcome: 'mask' | 'absent';
  /** Union of all instances, in targetPx. */
  readonly mask: Mask;
  /** One mask per instance where instances were prompted separately, else empty. */
  readonly instances: readonly Mask[];
  readonly prompts: readonly PromptCandidate[];
  /** Mean of the instances' IoU predictions; NaN when absent. */
  readonly iouPrediction: number;
  readonly notes: readonly string[];
}

/** A reference made ready for one strategy; computed once per batch. */
export interface PreparedReference {
  readonly foregroundPatches: number;
  readonly backgroundPatches: number;
  readonly notes: readonly string[];
  segment(target: EncodedImage, runner: StageRunner): Promise<Segmentation>;
}

export interface Strategy {
  /** @param mask support mask in referencePx; throws UserError when it has no foreground. */
  prepare(
    reference: EncodedImage,
    mask: Mask,
    parameters: StrategyParameters,
    runner: StageRunner,
  ): Promise<PreparedReference>;
}
