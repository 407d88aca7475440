/**
 * Stage *several views*: an image is seen as a whole, and in parts along its short side. What is small is drawn better
 * in parts, and what only the whole picture explains is lost in them, so the references tell which views serve: how
 * well each finds their own masks again, with the judged patches held out (stage *self-test*).
 */

import type { FloatMap } from '../../pixels/raster';
import { resizeBilinear } from '../../pixels/raster';
import type { EncodedImage, FurtherReference, PreparationRunner, StageRunner, ViewChoice } from '../strategy';
import type { ClassAnswer } from './askClass';
import { type Look, lookForClass, openLook } from './look';
import type { SelfTest } from './referenceModel';

/** Parts along the short side in the views beside the whole. */
const FINER = [2, 3] as const;

/**
 * Objects that the references must show (in the mean) before a finer view may lead: what is one of many is known by its
 * own look, and a single lesion by what lies around it. With 2, a tumour that parts find everywhere (Dice .84 -> .10)
 * would have been lost; with 4 or 5 the mean Dice is 0.010 lower.
 */
const MANY_OBJECTS = 3;

/**
 * A whole that finds so much of the references again leads without others being tried, which takes seconds once: of 34
 * references of as many sets no finer view led where the whole had more than 0.82.
 */
const ENOUGH = 0.9;

/** By how much a finer view's self-test must exceed the whole's before it leads (.02 and .05: Dice within .002). */
const LEAST_LEAD = 0.03;

/** Views whose self-test lacks at most this of the leading one's are heard beside it (.02 to .05: within .001). */
const NEARLY = 0.03;

/** The leading view counts as two (once: Dice -.001; three times, of few objects: -.002). */
const LEAD_WEIGHT = 2;

/** Of few objects, a finer view is heard where its answer is trusted no less than so much below the whole's. */
const TRUSTED = 0.02;

/** Two views whose masks agree to this Dice need no third: one of seven is saved, and the mean Dice is the same. */
const AGREED = 0.95;

/** Beyond this a decoder is sure. */
const SURE = 8;

/** How targets are looked at. */
interface Views {
  readonly whole: Look;
  /** Whose prompts are shown, and whose answer stands where no other is heard. */
  readonly leading: View;
  /** Others that are heard beside it. */
  readonly beside: readonly View[];
  /** Whether those are heard only where they are trusted. */
  readonly onTrust: boolean;
}

interface View {
  /** Along a side where there is one in the whole. */
  readonly parts: number;
  readonly look: Look;
  /** The references as it sees them, and what is remembered of that. */
  readonly references: readonly FurtherReference[];
  readonly runner: PreparationRunner;
}

/** The views that `choice` and the references ask for; the whole alone where images cannot be seen in parts. */
export async function chooseViews(
  whole: Look,
  references: readonly FurtherReference[],
  choice: ViewChoice,
  runner: PreparationRunner,
): Promise<Views> {
  const leading = { parts: 1, look: whole, references, runner };
  const alone: Views = { whole, leading, beside: [], onTrust: false };
  if (choice === 'whole' || choice === 1) return alone;
  const open = async (parts: number): Promise<View> => {
    const seen = { references: references.map(seenIn(parts)), runner: ofView(runner, parts) };
    return { parts, ...seen, look: await openLook(seen.references, whole.ablation, seen.runner) };
  };
  if (typeof choice === 'number') return { ...alone, leading: await open(choice) };
  const test = testOf(whole);
  const many = whole.model.shown.objects >= MANY_OBJECTS;
  // Without a self-test nobody knows which view serves; and few objects are drawn in parts beside the whole alone.
  if (test === undefined || (choice === 'fast' && (!many || test >= ENOUGH))) return alone;
  const finer: View[] = [];
  for (const parts of FINER) finer.push(await open(parts));
  if (!many) return { ...alone, beside: finer, onTrust: true };
  const best = finer.reduce((one, other) => (testOf(other.look)! > testOf(one.look)! ? other : one));
  const lead = testOf(best.look)! > test + LEAST_LEAD ? best : leading;
  const near = [leading, ...finer].filter((one) => one !== lead && testOf(one.look)! >= testOf(lead.look)! - NEARLY);
  return { ...alone, leading: lead, beside: choice === 'thorough' ? near : [] };
}

const testOf = ({ model }: Look): number | undefined => model.selfTest && best(model.selfTest);

const best = ({ gentle, strong }: SelfTest): number => Math.max(gentle.dice, strong.dice);

/** A reference that is opened in parts. */
const seenIn =
  (parts: number) =>
  ({ weight, open }: FurtherReference): FurtherReference => ({
    weight,
    open: async () => {
      const { image, mask } = await open();
      return { image: (await image.inParts?.(parts)) ?? image, mask };
    },
  });

/** What is remembered of a view is not that of another. */
const ofView = (runner: PreparationRunner, parts: number): PreparationRunner => ({
  ...runner,
  remember: (revision, compute, which) => runner.remember(`${revision}, in ${parts} parts`, compute, which),
});

/** What a person should know of the views: what they cost, and why. */
export function describeViews({ leading, beside, whole }: Views): readonly string[] {
  const parts = [leading, ...beside].map((one) => one.parts);
  if (parts.length === 1 && leading.parts === 1) return [];
  const names = parts.map((count) => (count === 1 ? 'as a whole' : `in ${count} x ${count} parts`));
  const cost = parts.reduce((sum, count) => sum + count * count, 0);
  const tests = leading.parts === 1 ? '' : `: ${testsOf(leading.look, whole)}`;
  return [`seen ${names.join(' and ')}, ${cost} times the work of the whole image${tests}`];
}

function testsOf(leading: Look, whole: Look): string {
  const [own, other] = [testOf(leading), testOf(whole)];
  if (own === undefined || other === undefined) return 'as asked for';
  return `self-test Dice ${own.toFixed(2)} so, ${other.toFixed(2)} as a whole`;
}

/** A target as a view sees it; undefined where it cannot be seen so. */
const inView = async (target: EncodedImage, { parts }: View): Promise<EncodedImage | undefined> =>
  parts === 1 ? target : await target.inParts?.(parts);

/** A target and how it is best looked at: as the leading view does, or as a whole where it cannot be seen so. */
export async function leadingLook(views: Views, target: EncodedImage): Promise<{ look: Look; seen: EncodedImage }> {
  const seen = await inView(target, views.leading);
  return seen ? { look: views.leading.look, seen } : { look: views.whole, seen: target };
}

/** What the views together say of a target. */
export async function lookInViews(views: Views, target: EncodedImage, stages: StageRunner): Promise<ClassAnswer> {
  const { look, seen: first } = await leadingLook(views, target);
  const led = await lookForClass(look, first, stages);
  if (led.logits === undefined) return led;
  const heard: FloatMap[] = [];
  for (const view of views.beside) {
    const seen = await inView(target, view);
    const { logits, judge } = seen ? await lookForClass(view.look, seen, stages) : led;
    if (seen === undefined || logits === undefined) continue;
    if (!views.onTrust || trustedBy(judge, logits) >= trustedBy(led.judge, led.logits) - TRUSTED) heard.push(logits);
    if (agreementOf(led.logits, logits) >= AGREED) break;
  }
  // Where the views disagree their mean is unsure, which is what trust is told of: it ranks the targets of a set at a
  // rho of .57 on 34 sets, that of the leading view alone at .52, and a term of the agreement itself at .54.
  return { ...led, logits: await stages.stage('mask', () => averaged(led.logits!, heard)) };
}

const trustedBy = (judge: ClassAnswer['judge'], logits: FloatMap): number => judge([logits]).trust ?? 0;

/** Mean of the logits, up to where each is sure, on the finest of their grids. */
function averaged(leading: FloatMap, others: readonly FloatMap[]): FloatMap {
  if (others.length === 0) return leading;
  const { size } = others.reduce((one, other) => (other.data.length > one.data.length ? other : one), leading);
  const data = new Float32Array(size.width * size.height);
  const share = 1 / (LEAD_WEIGHT + others.length);
  for (const [map, weight] of [
    [leading, LEAD_WEIGHT * share] as const,
    ...others.map((map) => [map, share] as const),
  ]) {
    const values = resizeBilinear(map, size).data;
    for (let at = 0; at < data.length; at++) data[at] += weight * Math.min(SURE, Math.max(-SURE, values[at]));
  }
  return { size, data };
}

/** Dice of what two maps draw, on the finer of their grids, in [0, 1]. */
function agreementOf(a: FloatMap, b: FloatMap): number {
  const size = a.data.length > b.data.length ? a.size : b.size;
  const one = resizeBilinear(a, size).data;
  const other = resizeBilinear(b, size).data;
  let common = 0;
  let total = 0;
  for (let at = 0; at < one.length; at++) {
    if (one[at] > 0) total++;
    if (other[at] > 0) total++;
    if (one[at] > 0 && other[at] > 0) common++;
  }
  return total === 0 ? 1 : (2 * common) / total;
}
