/**
 * Strategy `ap-medsam`: dual-space prompts, a foreground prior as mask prompt, one question per class or per instance,
 * a second one with what the first has taught, trust.
 *
 * Where we differ from the method as published: all points of a target are dropped when too few of its matches come
 * back (points from poor matches make a mask worse than none); and with a segmenter that takes mask prompts, a target
 * in which no positive point survives is not absent yet, but decoded from the prior alone: absent is what the segmenter
 * then leaves empty. (On brain tumours half of the targets have no surviving point, and all of them hold the object.)
 */

import type { Mask } from '../../pixels/mask';
import type { SupportPatches, SupportRule } from '../../tokens/supportMask';
import {
  DEFAULT_MIN_TRUST,
  DEFAULT_VIEWS,
  type EncodedImage,
  type EncodedReference,
  type FurtherReference,
  type PreparationRunner,
  type PreparedReference,
  type Segmentation,
  type StageRunner,
  type Strategy,
  type StrategyParameters,
} from '../strategy';
import { abstainBelow } from './abstention';
import { type ClassAnswer, concludeClass } from './askClass';
import { lookForInstances, MOST_CHIEFS, openLook } from './look';
import { learnPixels, type PixelPrior } from './pixelPrior';
import { describeSelfTest, heldOutAnswer, referenceDoubts } from './referenceModel';
import { chooseViews, describeViews, leadingLook, lookInViews } from './views';

/** Of which any number teaches at the same cost per target. Chosen, not measured. */
const MOST_REFERENCES = 200;

export const apMedSam: Strategy = {
  mostReferences: MOST_REFERENCES,
  views: true,
  judges: true,

  async prepare(
    reference: EncodedReference,
    mask: Mask,
    { ablation, minTrust, views: choice = DEFAULT_VIEWS }: StrategyParameters,
    runner: PreparationRunner,
    others: readonly FurtherReference[] = [],
  ): Promise<PreparedReference> {
    const first = { image: reference, mask };
    const references = [{ weight: 1, open: async () => first }, ...others];
    const whole = await openLook(references, ablation, runner);
    const views = await chooseViews(whole, references, choice, runner);
    const { wholeClass } = reference.capabilities;
    const { leading } = views;
    const { sets, model } = leading.look;
    const { selfTest } = model;
    const tested = selfTest ? [describeSelfTest(selfTest), ...referenceDoubts(selfTest)] : [];
    const pixels =
      selfTest && ablation.pixels
        ? await learnPixels(
            leading.references.slice(0, MOST_CHIEFS),
            (one) => heldOutAnswer(one, selfTest),
            leading.runner,
          )
        : undefined;
    const oneObject = ablation.specks && model.shown.objects === 1;
    const answer = async (target: EncodedImage, stages: StageRunner): Promise<Segmentation> => {
      if (wholeClass) {
        const found = await withPixels(pixels, target, await lookInViews(views, target, stages), stages);
        return await concludeClass(target, found, oneObject, stages);
      }
      const { look, seen } = await leadingLook(views, target);
      return await lookForInstances(look, seen, stages);
    };
    const leastTrust = minTrust ?? (wholeClass ? DEFAULT_MIN_TRUST : 0);
    return {
      foregroundPatches: sets.foreground.length,
      backgroundPatches: sets.background.length,
      notes: [...supportNotes(sets), ...describeViews(views), ...tested, ...(pixels ? [pixels.note] : [])],
      segment: async (target, stages) => abstainBelow(await answer(target, stages), leastTrust),
    };
  },
};

/** The answer with what single pixels say added to it, where they say anything. */
async function withPixels(
  pixels: PixelPrior | undefined,
  target: EncodedImage,
  answer: ClassAnswer,
  { stage }: StageRunner,
): Promise<ClassAnswer> {
  const { logits } = answer;
  if (pixels === undefined || logits === undefined) return answer;
  return { ...answer, logits: await stage('pixels', () => pixels.withPixels(target, logits)) };
}

/** With fewer, how well a reference serves is left to chance. Of a note alone; chosen, not measured. */
const FEW_PATCHES = 8;

function supportNotes({ rule, foreground: { length } }: SupportPatches): readonly string[] {
  if (rule !== 'whole' || length >= FEW_PATCHES) return ruleNotes[rule];
  const patches = length === 1 ? 'patch of the reference lies' : 'patches of the reference lie';
  return [`the object is small: only ${length} ${patches} wholly inside it`];
}

const ruleNotes: Readonly<Record<SupportRule, readonly string[]>> = {
  whole: [],
  half: ['no patch of the reference lies wholly inside the object; those at least half inside stand for it'],
  best: ['no patch of the reference lies even half inside the object; the best-covered one stands for it'],
};
