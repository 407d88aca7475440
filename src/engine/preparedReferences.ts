/** References that targets are matched with: prepared once, kept while they are used or were lately. */
import { createHash } from 'node:crypto';
import { describeSize, sameSize } from '../core/geometry';
import { fromRuns, type Mask } from '../core/pixels/mask';
import { isWhole } from '../core/prompting/tiles';
import { strategies } from '../core/strategies';
import {
  DEFAULT_TILES,
  type ImageVariant,
  type LabelledReference,
  type PreparationRunner,
  type PreparedReference,
  type StageRunner,
} from '../core/strategies/strategy';
import { UserError } from '../core/userError';
import type { EntryKey } from '../disk/boundedFolder';
import type { ReferenceInfo, ReferenceRequest, ReferenceSpec, Shown } from '../protocol/engineApi';
import type { TensorCache } from './images/cache';
import type { EncodedFile, EncodedFiles } from './images/encodedFiles';
import { imageOf, tiledImageOf } from './images/strategyImage';
import { readTileSource } from './images/tiledImage';
import { describeTiles, planOf, type SizedPlan, type Tiling, tilingOf } from './images/tiling';
import { encodeVariant } from './images/variants';
import { CosineGraph } from './matching/cosineGraph';
import { Matcher } from './matching/matcher';
import type { EngineModels } from './models/engineModels';
import type { InferenceQueue } from './runtime/inferenceQueue';
import { stageRunner } from './runtime/stages';
import { inPhase, restartClock } from './runtime/workClock';

/** A reference ready to be matched, with the matchers to release when it is forgotten and nobody uses it. */
export interface ReadyReference {
  readonly info: ReferenceInfo;
  readonly prepared: PreparedReference;
  /** How targets are to be seen. */
  readonly tiling: Tiling;
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
    const sources: ReferenceSource[] = [];
    for (const one of [reference, ...moreReferences]) {
      sources.push(await inPhase('reads', () => this.readReference(one, request)));
    }
    const stages = stageRunner(new AbortController().signal, {});
    const encoded: EncodedFile[] = [];
    for (const { source } of sources) encoded.push(await this.files.encode(source, stages));
    const tiling = tilingOf(
      strategies[strategy].tiles ? (parameters.tiles ?? DEFAULT_TILES) : 'off',
      encoded.map(({ encoding }, index) => ({ encoding, mask: sources[index]!.mask })),
    );
    const plans = encoded.map(({ info }) => planOf(tiling, info.size, encoder));
    const degradations = new Set<string>();
    const references: LabelledReference[] = [];
    for (const [index, source] of sources.entries()) {
      references.push(await this.labelled(source, encoded[index]!, request, plans[index]!, stages, degradations));
    }
    const why = parameters.tiles === 'auto' && tiling.view > 1 ? 'the objects are many and small' : undefined;
    const seen = new Set(plans.flatMap(({ plan }) => describeTiles(plan, why)));
    const graphs: Graph[] = [];
    const runner = this.preparationRunner(stages, graphs, [
      ...sources.flatMap(({ source, maskHash }) => [...source.key, maskHash]),
      ...(seen.size > 0 ? [plans.map(({ plan }) => `${plan.columns} x ${plan.rows} parts`).join(', ')] : []),
      segmenterModel.sha256,
    ]);
    const [first, ...others] = references;
    const prepared = await strategies[strategy].prepare(first!.image, first!.mask, parameters, runner, others);
    for (const whole of encoded) await whole.keep('everything');
    const { size, file } = sources[0]!.source.file.info;
    const { foregroundPatches, backgroundPatches } = prepared;
    const notes = [...sources.flatMap(({ source }) => source.file.notes), ...seen, ...prepared.notes, ...degradations];
    return {
      ...{ prepared, tiling, users: 0, forgotten: false },
      info: { size, file, foregroundPatches, backgroundPatches, notes },
      dispose: async () => {
        for (const graph of graphs) await graph.dispose();
      },
    };
  }

  /** A reference as strategies are to see it: as a whole, or in tiles. */
  private async labelled(
    { source: { file }, mask }: ReferenceSource,
    whole: EncodedFile,
    { window }: Shown,
    sized: SizedPlan,
    stages: StageRunner,
    degradations: Set<string>,
  ): Promise<LabelledReference> {
    const models = await this.models.loaded();
    const { encoder, segmenter } = models;
    const image = isWhole(sized.plan)
      ? imageOf(whole, segmenter, stages, degradations)
      : await tiledImageOf(await readTileSource(file, window, sized, segmenter), models, stages, degradations);
    const variant = (change: ImageVariant) => encodeVariant(file, change, window, sized, encoder, stages);
    return { image: { ...image, variant }, mask };
  }

  /**
   * @param graphs takes what is to be released with the reference
   * @param key what values that are remembered depend on, but for their revision
   */
  private preparationRunner(stages: StageRunner, graphs: Graph[], key: EntryKey): PreparationRunner {
    const opened = <T extends Graph>(graph: T): T => {
      graphs.push(graph);
      return graph;
    };
    return {
      ...stages,
      openMatcher: async (tokens, proposers) => opened(await Matcher.create(tokens, proposers, this.threads)),
      openCosines: async () => opened(await CosineGraph.open(this.threads)),
      remember: async (revision, compute) => {
        const known = await this.cache.get([...key, revision]);
        if (known) return mapValues(known, ({ data }) => data);
        const values = await compute();
        const tensors = mapValues(values, (data) => ({ dims: [data.length], data }));
        await this.cache.put([...key, revision], tensors);
        return values;
      },
    };
  }

  /** A reference's image and mask. Throws UserError where the image has changed since, or the mask does not fit it. */
  private async readReference(
    { image, imageHash, mask: runs }: ReferenceSpec,
    { window, bands }: Shown,
  ): Promise<ReferenceSource> {
    const mask = fromRuns(runs);
    restartClock(image);
    const source = await this.files.read(image, { ...(window && { window }), ...(bands && { bands }) });
    const { info } = source.file;
    if (imageHash !== undefined && imageHash !== info.file.sha256) {
      throw new UserError(`The reference image ${image} has changed since its mask was set: set the reference again.`);
    }
    if (!sameSize(mask.size, info.size)) {
      throw new UserError(
        `The support mask is ${describeSize(mask.size)} pixels, but its reference image ${image} is ${describeSize(info.size)}.`,
      );
    }
    return { source, mask, maskHash: createHash('sha256').update(runs.runs).digest('hex') };
  }
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
  const about = all.map(({ image, imageHash, mask }) => [image, imageHash, mask.size, mask.runs.length]);
  hash.update(JSON.stringify([about, strategy, parameters, window, bands]));
  for (const { mask } of all) hash.update(mask.runs);
  return hash.digest('hex');
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
