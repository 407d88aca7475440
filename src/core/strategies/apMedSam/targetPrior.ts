/** Stage *foreground prior* over one target: what the references say of its patches, and how the segmenter is told. */
import type { FloatMap } from '../../pixels/raster';
import { foregroundScores, priorShare, scorePrompt } from '../../tokens/foregroundPrior';
import type { MatchTable, PatchSets } from '../../tokens/matching';
import type { PatchTokens } from '../../tokens/patchGrid';
import type { SupportPatches } from '../../tokens/supportMask';
import type { Ablation, LabelledReference, Segmentation } from '../strategy';
import { adaptedScores, selfTrainedScores } from './adaptation';
import { alignReference, type PlacedReference, withMissing } from './alignment';
import { gentlePrompt, placeReferences, type ReferenceModel, strongPrompt } from './referenceModel';

/** What the references say of one target. */
export interface TargetPrior {
  /** Scores of the classifier as the references alone taught it, float32 on the target's grid. */
  readonly likeness: FloatMap;
  readonly told: ToldPrior;
  /**
   * The same from scores that have learnt from the mask with these logits (over the whole image); undefined where there
   * is nothing to learn.
   */
  adapt(logits: FloatMap): ToldPrior | undefined;
}

/** A prior as the segmenter is told it: as mask prompt, and as what is added to the answer, where something is. */
export type ToldPrior = Required<Pick<Segmentation, 'maskPrompt'>> & Pick<Segmentation, 'answerPrior'>;

export class ReferencePrior {
  private readonly places: readonly PlacedReference[];

  /** @param proposers patches of the joined references that propose matches, by which they are laid over a target. */
  constructor(
    readonly model: ReferenceModel,
    references: readonly LabelledReference[],
    { coverage }: SupportPatches,
    proposers: PatchSets,
    private readonly ablation: Ablation,
  ) {
    this.places = ablation.alignment
      ? placeReferences(references, coverage, proposers, ({ tokens }) =>
          this.promptScores(foregroundScores(model.classifier, tokens), tokens),
        )
      : [];
  }

  /** @param consistent whether so many matches of the target came back that a strong prior may be believed. */
  over(tokens: PatchTokens, table: MatchTable, consistent: boolean): TargetPrior {
    const { model, places, ablation } = this;
    const likeness = foregroundScores(model.classifier, tokens);
    const own = this.promptScores(likeness, tokens);
    const alignments = places.map((place) => alignReference(table, place));
    return {
      likeness,
      told: this.tell(withMissing(own, places, alignments), consistent),
      adapt: (logits) => {
        const adapted = ablation.refine ? adaptedScores(model.classifier, own, tokens, logits) : undefined;
        return adapted && this.tell(withMissing(adapted, places, alignments), consistent);
      },
    };
  }

  private promptScores(likeness: FloatMap, tokens: PatchTokens): FloatMap {
    return this.ablation.selfTraining
      ? selfTrainedScores(this.model.classifier, likeness, tokens)
      : scorePrompt(likeness);
  }

  private tell(scores: FloatMap, consistent: boolean): ToldPrior {
    const { selfTest } = this.model;
    if (selfTest === undefined) return { maskPrompt: gentlePrompt(scores) };
    const strong = consistent && selfTest.strong.dice >= selfTest.gentle.dice;
    const answerPrior = priorShare(scores, (strong ? selfTest.strong : selfTest.gentle).weight);
    return { maskPrompt: (strong ? strongPrompt : gentlePrompt)(scores), ...(answerPrior && { answerPrior }) };
  }
}
