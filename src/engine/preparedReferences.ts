/** References that targets are matched with: prepared once, kept while they are used or were lately. */
import { createHash } from 'node:crypto';
import { describeSize, sameSize } from '../core/geometry';
import { fromRuns } from '../core/pixels/mask';
import { strategies } from '../core/strategies';
import {
  DEFAULT_TILES,
  type ImageVariant,
  type PreparationRunner,
  type PreparedReference,
} from '../core/strategies/strategy';
import { UserError } from '../core/userError';
import type { ReferenceInfo, ReferenceRequest, ReferenceSpec, Shown } from '../protocol/engineApi';
import type { TensorCache } from './images/cache';
import type { EncodedFile, EncodedFiles } from './images/encodedFiles';
import { imageOf, tiledImageOf } from './images/strategyImage';
import { readTileSource } from './images/tiledImage';
import { describeTiling, type Tiling, tilingOf } from './images/tiling';
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
  /** How targets are to be seen: tiles per side, and modelPx per patch. */
  readonly tiling: Tiling;
  /** Requests under way. */
  users: number;
  forgotten: boolean;
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
    const { reference, moreReferences = [], strategy, parameters, window } = request;
    const models = await this.models.loaded();
    const { encoder, segmenter, segmenterModel } = models;
    const sources: Awaited<ReturnType<PreparedReferences['readReference']>>[] = [];
    for (const one of [reference, ...moreReferences])
      sources.push(await inPhase('reads', () => this.readReference(one, request)));
    const opened: { dispose(): Promise<void> }[] = [];
    const runner: PreparationRunner = {
      ...stageRunner(new AbortController().signal, {}),
      openMatcher: async (tokens, proposers) => {
        const matcher = await Matcher.create(tokens, proposers, this.threads);
        opened.push(matcher);
        return matcher;
      },
      openCosines: async () => {
        const graph = await CosineGraph.open(this.threads);
        opened.push(graph);
        return graph;
      },
      remember: async (revision, compute) => {
        const key = [
          ...sources.flatMap(({ source, maskHash }) => [...source.key, maskHash]),
          ...(tiling.tilesPerSide > 1 ? [`${tiling.tilesPerSide} tiles`] : []),
          segmenterModel.sha256,
          revision,
        ];
        const known = await this.cache.get(key);
        if (known) return mapValues(known, ({ data }) => data);
        const values = await compute();
        await this.cache.put(
          key,
          mapValues(values, (data) => ({ dims: [data.length], data })),
        );
        return values;
      },
    };
    const encoded: EncodedFile[] = [];
    for (const { source } of sources) encoded.push(await this.files.encode(source, runner));
    const tiling = tilingOf(
      strategies[strategy].tiles ? (parameters.tiles ?? DEFAULT_TILES) : 'off',
      encoded.map(({ encoding }, index) => ({ encoding, mask: sources[index]!.mask })),
    );
    const references = [];
    const degradations = new Set<string>();
    for (const [index, { source, mask }] of sources.entries()) {
      const whole = encoded[index]!;
      const variant = (change: ImageVariant) => encodeVariant(source.file, change, window, tiling, encoder, runner);
      const image =
        tiling.tilesPerSide > 1
          ? await tiledImageOf(
              await readTileSource(source.file, window, tiling, encoder, segmenter),
              models,
              runner,
              degradations,
            )
          : imageOf(whole, segmenter, runner, degradations);
      references.push({ image: { ...image, variant }, mask, keep: () => whole.keep('everything') });
    }
    const [first, ...others] = references;
    const prepared = await strategies[strategy].prepare(first!.image, first!.mask, parameters, runner, others);
    for (const { keep } of references) await keep();
    const { size, file } = sources[0]!.source.file.info;
    const { foregroundPatches, backgroundPatches } = prepared;
    return {
      prepared,
      tiling,
      users: 0,
      forgotten: false,
      info: {
        size,
        file,
        foregroundPatches,
        backgroundPatches,
        notes: [
          ...sources.flatMap(({ source }) => source.file.notes),
          ...(tiling.tilesPerSide > 1 ? [describeTiling(tiling, parameters.tiles === 'auto')] : []),
          ...prepared.notes,
          ...degradations,
        ],
      },
      dispose: async () => {
        for (const graph of opened) await graph.dispose();
      },
    };
  }

  /** A reference's image and mask. Throws UserError where the image has changed since, or the mask does not fit it. */
  private async readReference({ image, imageHash, mask: runs }: ReferenceSpec, { window, bands }: Shown) {
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
