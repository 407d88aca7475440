/** References that targets are matched with: prepared once, kept while they are used or were lately. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type Box, describeSize, type Size, sameSize } from '../core/geometry';
import { fromRuns, type Mask } from '../core/pixels/mask';
import { isWhole, tileFrame } from '../core/prompting/tiles';
import { strategies } from '../core/strategies';
import {
  DEFAULT_SCALE,
  type EncodedReference,
  type FurtherReference,
  type ImageVariant,
  type LabelledReference,
  type PreparationRunner,
  type PreparedReference,
  type ScaleChoice,
  type StageRunner,
} from '../core/strategies/strategy';
import type { PatchTokens } from '../core/tokens/patchGrid';
import { withSurroundings } from '../core/tokens/surroundings';
import { UserError } from '../core/userError';
import type { EntryKey } from '../disk/boundedFolder';
import type { ImageInfo, ReferenceInfo, ReferenceRequest, ReferenceSpec, Shown } from '../protocol/engineApi';
import type { TensorCache } from './images/cache';
import type { EncodedFile, EncodedFiles } from './images/encodedFiles';
import { imageOf, tiledImageOf } from './images/strategyImage';
import { readTileSource } from './images/tiledImage';
import { describeTiles, planOf, planParts, type SizedPlan, type Tiling, tilingOf } from './images/tiling';
import { encodeVariant } from './images/variants';
import { wholePixels } from './images/wholePixels';
import { CosineGraph } from './matching/cosineGraph';
import { Matcher } from './matching/matcher';
import { PixelGraph } from './matching/pixelGraph';
import type { EngineModels } from './models/engineModels';
import type { ImageFile } from './pictures/imageFile';
import { readRgb } from './pictures/imagePixels';
import type { InferenceQueue } from './runtime/inferenceQueue';
import { stageRunner } from './runtime/stages';
import { inPhase, restartClock } from './runtime/workClock';

/** A reference ready to be matched, with the matchers to release when it is forgotten and nobody uses it. */
export interface ReadyReference {
  readonly info: ReferenceInfo;
  readonly prepared: PreparedReference;
  /** How targets are to be seen. */
  readonly tiling: Tiling;
  /** Where the picture of the first one lies in its image, see `pictureIn` of core. */
  readonly picture: Box;
  /** Size of the parts in which the first reference is seen, in referencePx; plain: as many along both sides. */
  readonly part: Size & { readonly plain: boolean };
  /** Of the first reference. */
  readonly tokens: PatchTokens;
  readonly scale: ScaleChoice;
  /** Requests under way. */
  users: number;
  forgotten: boolean;
  dispose(): Promise<void>;
}

/** A reference's file, read but not yet encoded, with its mask. */
interface ReferenceSource {
  readonly source: Awaited<ReturnType<EncodedFiles['read']>>;
  readonly mask: Mask;
  readonly maskHash: string;
}

/** How a reference's file is seen, and what all depends on that it teaches. */
interface Seen {
  readonly notes: readonly string[];
  readonly sized: SizedPlan;
  readonly key: EntryKey;
}

/** A session that matches. */
interface Graph {
  dispose(): Promise<void>;
}

/** Prepared references kept in memory; a batch uses one per class, an editor a few in turn. Each costs about 50 MB. */
const REFERENCES_KEPT = 3;

export class PreparedReferences {
  /** Least recently used first. */
  private readonly references = new Map<string, Promise<ReadyReference>>();

  constructor(
    private readonly models: EngineModels,
    private readonly files: EncodedFiles,
    private readonly cache: TensorCache,
    private readonly inference: InferenceQueue,
    private readonly threads: number,
  ) {}

  /**
   * The reference of a request, prepared once; a failure is forgotten so that it can be tried again.
   *
   * @param together references that one request needs: as many are kept
   */
  get(request: ReferenceRequest, signal: AbortSignal, together = 1): Promise<ReadyReference> {
    const key = referenceKey(request);
    let ready = this.references.get(key);
    // Preparing serves every request with this reference, so the first one's cancellation must not fail the others.
    ready ??= this.inference.run(() => inPhase('prepares', () => this.prepare(request)));
    this.references.delete(key);
    this.references.set(key, ready);
    ready.catch(() => this.references.delete(key));
    for (const [oldest, forgotten] of this.references) {
      if (this.references.size <= Math.max(REFERENCES_KEPT, together)) break;
      this.references.delete(oldest);
      // One that could not be prepared has told its callers, and holds nothing.
      void forgotten.then(forget, () => undefined);
    }
    signal.throwIfAborted();
    // Beside the promise itself, whose holder has to count among the users before anybody forgets the reference.
    inPhase('waits', () => ready).catch(() => undefined);
    return ready;
  }

  private async prepare(request: ReferenceRequest): Promise<ReadyReference> {
    const { reference, moreReferences = [], strategy, parameters } = request;
    const { encoder, segmenterModel } = await this.models.loaded();
    const stages = stageRunner(new AbortController().signal, {});
    const first = await inPhase('reads', () => this.readReference(reference, request));
    const whole = await this.files.encode(first.source, stages);
    const tiling = tilingOf(strategies[strategy].views ?? false, whole.encoding);
    const degradations = new Set<string>();
    const { source, maskHash } = first;
    const see = (file: ImageFile, key: EntryKey): Seen => {
      const sized = planOf(tiling, file.info.size, encoder);
      const { columns, rows } = sized.plan;
      const parts = isWhole(sized.plan) ? [] : [`${columns} x ${rows} parts`];
      return { notes: file.notes, sized, key: [...key, ...parts, segmenterModel.sha256] };
    };
    const seen = [see(source.file, [...source.key, maskHash])];
    const { image, mask } = await this.labelled(first, whole, request, seen[0]!.sized, stages, degradations);
    const others: FurtherReference[] = [];
    for (const one of moreReferences) {
      const { file, key } = await inPhase('reads', () => this.identifyReference(one, request));
      const its = see(file, key);
      seen.push(its);
      const weight = (one.weight ?? 1) / (reference.weight ?? 1);
      others.push({ weight, open: () => this.open(one, request, its.sized, stages, degradations) });
    }
    const graphs: Graph[] = [];
    const everything = [...seen.flatMap(({ key }) => key), ...others.map(({ weight }) => weight)];
    const runner = this.preparationRunner(stages, graphs, (which) =>
      which === undefined ? everything : seen[which]!.key,
    );
    const prepared = await strategies[strategy].prepare(image, mask, parameters, runner, others);
    await whole.keep('everything');
    const { size, file } = first.source.file.info;
    const { plan } = seen[0]!.sized;
    const { foregroundPatches, backgroundPatches } = prepared;
    const notes = [
      ...new Set(seen.flatMap((one) => one.notes)),
      ...new Set(seen.flatMap(({ sized }) => describeTiles(sized.plan))),
      ...prepared.notes,
      ...degradations,
    ];
    return {
      ...{ prepared, tiling, picture: whole.picture, users: 0, forgotten: false },
      part: { ...tileFrame(plan, size), plain: plan.columns === plan.rows },
      tokens: image.tokens,
      scale: parameters.scale ?? DEFAULT_SCALE,
      info: { size, file, foregroundPatches, backgroundPatches, notes },
      dispose: async () => {
        for (const graph of graphs) await graph.dispose();
      },
    };
  }

  /** Reads and encodes a further reference, and keeps its encoding on disk alone. */
  private async open(
    spec: ReferenceSpec,
    request: ReferenceRequest,
    sized: SizedPlan,
    stages: StageRunner,
    degradations: Set<string>,
  ): Promise<LabelledReference> {
    const read = await inPhase('reads', () => this.readReference(spec, request));
    const encoded = await this.files.encode(read.source, stages);
    await encoded.keep('everything');
    return await this.labelled(read, encoded, request, sized, stages, degradations);
  }

  /** A reference as strategies are to see it: as a whole, and in parts where they ask for them. */
  private async labelled(
    { source: { file }, mask }: ReferenceSource,
    whole: EncodedFile,
    { window }: Shown,
    around: SizedPlan,
    stages: StageRunner,
    degradations: Set<string>,
  ): Promise<LabelledReference> {
    const models = await this.models.loaded();
    const { encoder, segmenter } = models;
    const { size } = file.info;
    const inTiles = async (sized: SizedPlan) => {
      const source = await readTileSource(size, (to) => readRgb(file, to, window), sized, segmenter);
      return await tiledImageOf(source, models, stages, degradations);
    };
    const variantOf = (change: ImageVariant, sized: SizedPlan) =>
      encodeVariant(file, change, window, sized, encoder, stages);
    const image = isWhole(around.plan) ? imageOf(whole, segmenter, stages, degradations) : await inTiles(around);
    const pixels = (most: number) => wholePixels(file, window, most);
    const inParts = async (parts: number): Promise<EncodedReference> => {
      const sized = planParts(around, size, parts);
      const seen = await inTiles(sized);
      return {
        ...seen,
        ...{ inParts, pixels },
        tokens: withSurroundings(seen.tokens, image.tokens),
        variant: async (change) => withSurroundings(await variantOf(change, sized), await variantOf(change, around)),
      };
    };
    return { image: { ...image, inParts, pixels, variant: (change) => variantOf(change, around) }, mask };
  }

  /**
   * @param graphs takes what is to be released with the reference
   * @param keyOf what values that are remembered depend on, but for their revision: one reference, or all of them
   */
  private preparationRunner(
    stages: StageRunner,
    graphs: Graph[],
    keyOf: (which: number | undefined) => EntryKey,
  ): PreparationRunner {
    const opened = <T extends Graph>(graph: T): T => {
      graphs.push(graph);
      return graph;
    };
    return {
      ...stages,
      openMatcher: async (tokens, proposers) => opened(await Matcher.create(tokens, proposers, this.threads)),
      openCosines: async () => opened(await CosineGraph.open(this.threads)),
      openPixels: async (classifier) => opened(await PixelGraph.open(classifier, this.threads)),
      remember: async (revision, compute, which) => {
        const key = [...keyOf(which), revision];
        const known = await this.cache.get(key);
        if (known)
          return mapValues(known, ({ data }) => new Float64Array(data.buffer, data.byteOffset, data.length / 2));
        // Preparing many references takes long: what has waited for the message loop gets it in between.
        await setImmediate();
        const values = await compute();
        const tensors = mapValues(values, halves);
        await this.cache.put(key, tensors);
        return values;
      },
    };
  }

  /** A reference's image and mask. Throws UserError where the image has changed since, or the mask does not fit it. */
  private async readReference(spec: ReferenceSpec, { window, bands }: Shown): Promise<ReferenceSource> {
    const mask = fromRuns(spec.mask);
    restartClock(spec.image);
    const source = await this.files.read(spec.image, { ...(window && { window }), ...(bands && { bands }) });
    checkReference(spec, source.file.info);
    return { source, mask, maskHash: hashOf(spec) };
  }

  /** A reference's file, and what all depends on that it teaches, without its pixels. Throws as `readReference`. */
  private async identifyReference(spec: ReferenceSpec, shown: Shown): Promise<{ file: ImageFile; key: EntryKey }> {
    restartClock(spec.image);
    const { file, info, key } = await this.files.identify(spec.image, shown);
    checkReference(spec, info);
    return { file, key: [...key, hashOf(spec)] };
  }
}

const hashOf = ({ mask }: ReferenceSpec): string => createHash('sha256').update(mask.runs).digest('hex');

function checkReference({ image, imageHash, mask }: ReferenceSpec, { size, file }: ImageInfo): void {
  if (imageHash !== undefined && imageHash !== file.sha256) {
    throw new UserError(`The reference image ${image} has changed since its mask was set: set the reference again.`);
  }
  if (!sameSize(mask.size, size)) {
    throw new UserError(
      `The support mask is ${describeSize(mask.size)} pixels, but its reference image ${image} is ${describeSize(size)}.`,
    );
  }
}

/** The halves of float64 values: the cache holds 32 bits at a time. */
function halves(values: Float64Array): { dims: number[]; data: Float32Array } {
  const data = new Float32Array(values.buffer, values.byteOffset, values.length * 2);
  return { dims: [data.length], data };
}

function forget(reference: ReadyReference): Promise<void> {
  reference.forgotten = true;
  return disposeIfUnused(reference);
}

/** To be called after `users` went down. */
export async function disposeIfUnused(reference: ReadyReference): Promise<void> {
  if (reference.forgotten && reference.users === 0) await reference.dispose();
}

function referenceKey(request: ReferenceRequest): string {
  const { reference, moreReferences = [], strategy, parameters, window, bands } = request;
  const hash = createHash('sha256');
  const all = [reference, ...moreReferences];
  const about = all.map(({ image, imageHash, mask, weight }) => [
    ...[image, imageHash, mask.size, mask.runs.length],
    ...(weight === undefined ? [] : [weight]),
  ]);
  hash.update(JSON.stringify([about, strategy, parameters, window, bands]));
  for (const { mask } of all) hash.update(mask.runs);
  return hash.digest('hex');
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
