/** One image against the references of one or several classes. */
import type { Box, Size } from '../core/geometry';
import { hasForeground, type RunMask, runArea } from '../core/pixels/mask';
import type { FloatMap } from '../core/pixels/raster';
import { BlockMasks, type Blocks, planBlocks } from '../core/prompting/blocks';
import { planTiles, tileFrame, tilesOfLength } from '../core/prompting/tiles';
import { absent } from '../core/strategies/absent';
import { placeSegmentation } from '../core/strategies/placed';
import { settleClasses } from '../core/strategies/settleClasses';
import { beliefIn, type EncodedImage, type Segmentation } from '../core/strategies/strategy';
import type { ClassesRequest, SegmentResult } from '../protocol/engineApi';
import type { EncodedFiles } from './images/encodedFiles';
import { wholePixelsAgain } from './images/wholePixels';
import type { EngineModels } from './models/engineModels';
import { disposeIfUnused, type PreparedReferences, type ReadyReference } from './preparedReferences';
import type { InferenceQueue } from './runtime/inferenceQueue';
import { stageRunner } from './runtime/stages';
import { restartClock } from './runtime/workClock';
import { type TargetPlan, TargetReader } from './targetReader';

export class ClassSegmentation {
  constructor(
    private readonly models: EngineModels,
    private readonly references: PreparedReferences,
    private readonly files: EncodedFiles,
    private readonly inference: InferenceQueue,
    private readonly pixelLimit: number,
  ) {}

  /** One result per class, in their order. */
  async segment(request: ClassesRequest, signal: AbortSignal): Promise<SegmentResult[]> {
    const { classes, ...shared } = request;
    const references: ReadyReference[] = [];
    try {
      for (const question of classes) {
        const reference = await this.references.get({ ...shared, ...question }, signal, classes.length);
        reference.users++;
        references.push(reference);
      }
      restartClock(request.image);
      return await this.segmentWith(references, request, signal);
    } finally {
      for (const reference of references) {
        reference.users--;
        await disposeIfUnused(reference);
      }
    }
  }

  private async segmentWith(
    references: readonly ReadyReference[],
    request: ClassesRequest,
    signal: AbortSignal,
  ): Promise<SegmentResult[]> {
    const started = performance.now();
    const times = references.map((): Record<string, number> => ({}));
    const degradations = new Set<string>();
    const { files, inference, pixelLimit } = this;
    const models = await this.models.loaded();
    const ports = { models, files, inference, pixelLimit, signal, times: times[0]!, degradations };
    const target = new TargetReader(request, ports);
    try {
      const plans: TargetPlan[] = [];
      for (const reference of references) plans.push(await target.plan(reference));
      const { info, notes } = await target.about(false);
      const finest = plans.reduce((a, b) => (b.plan.tiles.length > a.plan.tiles.length ? b : a));
      const blocks = planBlocks(finest.plan, info.size);
      const work = { target, plans, references, request, times, signal, started };
      const found = await (blocks ? this.inBlocks(work, blocks, info.size) : this.inOnePiece(work));
      // Beside the inference of the next image: what is kept is written, not waited for by others.
      const { kept } = target;
      if (kept && found.some((one) => beliefIn(one) < (request.cacheBelow ?? 0))) {
        await stageRunner(signal, times[0]!).stage('keep', () => kept.keep('everything'));
      }
      return found.map((one, index) => ({
        size: info.size,
        file: info.file,
        outcome: one.outcome,
        mask: one.mask,
        instances: one.instances,
        prompts: request.withDetails ? one.prompts : one.prompts.filter(({ reason }) => reason === 'kept'),
        iouPrediction: one.iouPrediction,
        ...(one.trust !== undefined && { trust: one.trust }),
        ...(one.trustParts && { trustParts: one.trustParts }),
        ...(request.withDetails && one.maskPrompt && { maskPrompt: one.maskPrompt }),
        ...(request.withDetails && one.answerPrior && { answerPrior: one.answerPrior }),
        notes: [...notes, ...plans[index]!.notes, ...one.notes, ...degradations],
        ...(notes.length > 0 && { imageNotes: notes }),
        times: { total: 0, ...times[index] },
      }));
    } finally {
      await target.close();
    }
  }

  private async inOnePiece(work: Work): Promise<Segmentation[]> {
    const { target, plans, references, request, times, signal } = work;
    let { started } = work;
    const images = new Map<string, EncodedImage>();
    for (const plan of plans) {
      if (!images.has(keyOf(plan))) images.set(keyOf(plan), await target.image(plan));
    }
    const { info } = await target.about(false);
    const pixelsOf = (most: number) => wholePixelsAgain(request.image, info, request, most, this.pixelLimit);
    const parts: Awaited<ReturnType<TargetReader['partInstead']>>[] = [];
    for (const [index, reference] of references.entries()) {
      parts.push(await target.partInstead(reference, plans[index]!));
    }
    return await this.inference.run(async () => {
      const each: Segmentation[] = [];
      for (const [index, { prepared }] of references.entries()) {
        const image = images.get(keyOf(plans[index]!))!;
        // Reduced as a whole, its pixels would not be at the scale of the reference.
        const pixels = plans[index]!.isSameScale ? {} : { pixels: pixelsOf };
        const part = parts[index];
        const one = await prepared.segment(part?.image ?? { ...image, ...pixels }, stageRunner(signal, times[index]!));
        each.push(part ? placeSegmentation(one, part.box, image.size) : one);
        times[index]!.total = performance.now() - started;
        started = performance.now();
      }
      if (each.length < 2) return each;
      const ids = request.classes.map(({ classId }) => classId);
      const last = times[times.length - 1]!;
      const settled = await stageRunner(signal, last).stage('compete', () => settleClasses(each, ids));
      last.total! += performance.now() - started;
      return settled;
    });
  }

  /** Block by block; classes compete where the mask is drawn. */
  private async inBlocks(
    { target, plans, references, request, times, signal, started }: Work,
    blocks: Blocks,
    size: Size,
  ): Promise<Segmentation[]> {
    const order = references.map((_, index) => index);
    order.sort((a, b) => request.classes[a]!.classId - request.classes[b]!.classId);
    const masks = new BlockMasks(blocks, size, references.length);
    const beliefs = references.map(() => new MeanBelief());
    for (const [row, boxes] of blocks.entries()) {
      const answers: (FloatMap | undefined)[][] = references.map(() => []);
      for (const box of boxes) {
        const images = new Map<string, EncodedImage>();
        for (const [index, { prepared }] of references.entries()) {
          const plan = blockPlan(plans[index]!, size, box);
          const key = keyOf(plan);
          const image = images.get(key) ?? (await target.image(plan, box));
          images.set(key, image);
          const found = await this.inference.run(() => prepared.segment(image, stageRunner(signal, times[index]!)));
          beliefs[index]!.add(found);
          answers[order.indexOf(index)]!.push(highest(found.logits));
        }
      }
      await stageRunner(signal, times[0]!).stage('mask', () => masks.add(row, answers));
    }
    const drawn = masks.finish();
    times[0]!.total = performance.now() - started;
    return references.map((_, index) => beliefs[index]!.about(drawn[order.indexOf(index)]!));
  }
}

/** One image and what it is to be segmented with. */
interface Work {
  readonly target: TargetReader;
  /** By reference. */
  readonly plans: readonly TargetPlan[];
  readonly references: readonly ReadyReference[];
  readonly request: ClassesRequest;
  readonly times: readonly Record<string, number>[];
  readonly signal: AbortSignal;
  /** By `performance.now()`. */
  readonly started: number;
}

const keyOf = ({ plan: { columns, rows }, scale }: TargetPlan): string => `${columns} x ${rows}, ${scale}`;

/** The parts of a block, as large as those of the whole picture. */
function blockPlan(whole: TargetPlan, size: Size, { left, top, right, bottom }: Box): TargetPlan {
  const { tileGrid } = whole.plan;
  const length = tileFrame(whole.plan, size);
  return { ...whole, plan: planTiles(tilesOfLength(length, { width: right - left, height: bottom - top }), tileGrid) };
}

/** The highest of the maps of an answer at each place, undefined where there are none. */
function highest(maps: readonly FloatMap[]): FloatMap | undefined {
  const [first, ...others] = maps;
  if (first === undefined || others.length === 0) return first;
  const data = first.data.slice();
  for (const other of others) for (let at = 0; at < data.length; at++) data[at] = Math.max(data[at]!, other.data[at]!);
  return { size: first.size, data };
}

/** What is to be believed of a mask in blocks: the mean over them, by how much each has drawn. */
class MeanBelief {
  private drawn = 0;
  private trust = 0;
  private iou = 0;
  private judged = true;
  private readonly notes = new Set<string>();

  add({ outcome, mask, trust, iouPrediction, notes }: Segmentation): void {
    if (outcome === 'absent') return;
    const weight = runArea(mask);
    this.drawn += weight;
    this.trust += weight * (trust ?? 0);
    this.iou += weight * (iouPrediction ?? 0);
    this.judged &&= trust !== undefined;
    for (const note of notes) this.notes.add(note);
  }

  about(mask: RunMask): Segmentation {
    const { drawn } = this;
    if (drawn === 0 || !hasForeground(mask)) return absent(mask.size, [], ['nothing was found in any part']);
    return {
      ...{ outcome: 'mask', mask, instances: [], logits: [], prompts: [] },
      iouPrediction: this.iou / drawn,
      ...(this.judged && { trust: this.trust / drawn }),
      notes: [...this.notes],
    };
  }
}
