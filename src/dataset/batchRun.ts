/** One run of a batch under its lock: prepare, then as many lanes as the engines have use for. */
import { setMaxListeners } from 'node:events';
import { dirname, join } from 'node:path';
import { UserError } from '../core/userError';
import { removeStaleTemporaries } from '../disk/atomicFile';
import { isDiskFailure } from '../disk/storageError';
import type { SegmentResult } from '../protocol/engineApi';
import type { BatchJob, BatchOptions, BatchSummary, ImageReport } from './batchJob';
import { inShard, needOf, type PlanContext } from './batchPlan';
import { type BatchOutcome, ProgressMeter } from './batchProgress';
import { absolutePath, type ImageFailure, PROJECT_FOLDER, scanFolder } from './folder';
import { instancesFile } from './instanceFile';
import { type JournalWriter, journalFolder } from './journal';
import { JournalView } from './journalView';
import { lockFolder, type Shard } from './lock';
import { Lowest } from './lowest';
import { MaskCommitter } from './maskCommit';
import { MaskLocator } from './maskFolder';
import { type CheckedReference, checkReference, referenceFolder } from './reference';
import { type RunRequest, runRequest } from './runRequest';

/** Images that a person is likely to open next: only their embeddings are worth the space. */
const CACHED_IMAGES = 32;

/** What all images of a run share. */
interface Prepared {
  readonly request: RunRequest['request'];
  readonly committer: MaskCommitter;
  readonly plan: PlanContext;
  /** The reference images' own results by path: what a person drew needs no guess. */
  readonly references: ReadonlyMap<string, SegmentResult>;
}

export class BatchRun {
  /** Aborts with the caller's signal, and with `stop` when going on is pointless. */
  private readonly signal: AbortSignal;
  private readonly masks: MaskLocator;
  private readonly failures: ImageFailure[] = [];
  private readonly lowest = new Lowest(CACHED_IMAGES);

  /**
   * @param job its root is resolved
   * @param maskFolder absolute
   * @param stop aborting it with an error makes `run` throw that error
   */
  constructor(
    private readonly job: BatchJob & { readonly shard: Shard },
    private readonly options: BatchOptions,
    private readonly maskFolder: string,
    private readonly journal: JournalWriter,
    private readonly stop: AbortController,
  ) {
    this.signal = AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])]);
    // Every call under way listens; Node would take that many for a leak.
    setMaxListeners(0, this.signal);
    this.masks = new MaskLocator(job.root, maskFolder);
  }

  async run(): Promise<BatchSummary> {
    const { root, shard, targets = [] } = this.job;
    const started = performance.now();
    const scan = this.job.scan ?? (await scanFolder(root, { maskFolder: this.maskFolder, targets }));
    const isMine = (image: string) => inShard(image, shard);
    const images = scan.images.filter(isMine);
    const unreadable = scan.failures.filter(({ image }) => isMine(image));
    const view = await JournalView.read(root);
    const meter = new ProgressMeter(images.length + unreadable.length);
    try {
      await this.cleanUp(images);
      const prepared = await this.prepare(scan.images, view);
      await prepared.committer.completeUnfinished(isMine);
      for (const { image, message } of unreadable) await this.fail(prepared, meter, image, message);
      await this.work(images, (image) => this.process(prepared, meter, image));
    } catch (error) {
      // An aborted call says so in its own way; who aborted is told apart below.
      if (!this.signal.aborted) throw error;
    }
    this.stop.signal.throwIfAborted();
    const counts = meter.counts();
    return {
      ...counts,
      cancelled: meter.remaining() > 0,
      failures: this.failures,
      nested: scan.nested,
      brokenLines: view.brokenLines,
      seconds: (performance.now() - started) / 1000,
    };
  }

  /** Removes what crashes left where this run is going to write. */
  private async cleanUp(images: readonly string[]): Promise<void> {
    const { root } = this.job;
    const ours = [join(root, PROJECT_FOLDER), journalFolder(root), lockFolder(root), referenceFolder(root)];
    const folders = new Set([...ours, this.maskFolder]);
    for (const image of images) {
      folders.add(dirname(await this.masks.locate(image)));
      folders.add(dirname(instancesFile(root, image)));
    }
    for (const folder of folders) await removeStaleTemporaries(folder);
  }

  private async prepare(images: readonly string[], view: JournalView): Promise<Prepared> {
    const { job, journal, masks } = this;
    const { engine, root, project, overwrite } = job;
    const { class: classId } = job.reference;
    this.signal.throwIfAborted();
    const checked = job.checked ?? (await checkReference(root, job.reference, engine));
    const { request, run, references, notes } = await runRequest({ ...job, checked, images });
    this.signal.throwIfAborted();
    const prepared = await engine.prepareReference(request, { signal: this.signal });
    for (const note of [...notes, ...prepared.notes]) this.options.onNote?.(note);
    const { onStep } = this.options;
    const committer = new MaskCommitter({ root, classId, classes: project.classes, run, journal, view, masks, onStep });
    const plan = { view, classId, run, overwrite };
    const own = new Map(references.map((one) => [one.image, referenceResult(one)]));
    return { request, committer, plan, references: own };
  }

  /** Processes all images, at most `lanes` at a time; what is thrown ends all lanes and becomes the run's error. */
  private async work(images: readonly string[], process: (image: string) => Promise<void>): Promise<void> {
    let next = 0;
    const lane = async () => {
      while (next < images.length && !this.signal.aborted) {
        try {
          await process(images[next++]);
        } catch (error) {
          // A callback that was cancelled with the run is no failure of the run.
          if (error !== this.options.signal?.reason) this.stop.abort(error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, this.job.engine.lanes) }, lane));
  }

  private async process(prepared: Prepared, meter: ProgressMeter, image: string): Promise<void> {
    const mask = await this.masks.locate(image);
    let result: SegmentResult | undefined;
    let outcome: BatchOutcome;
    try {
      const need = await needOf(prepared.plan, image, absolutePath(this.job.root, image), mask);
      if (need === 'segment') {
        result = await this.segment(prepared, image);
        outcome = await prepared.committer.commit(image, result);
      } else {
        outcome = need;
      }
    } catch (error) {
      // Cancelled while waiting for the engine. A commit that has begun is finished.
      if (this.signal.aborted && result === undefined) return;
      if (!(error instanceof UserError) || isDiskFailure(error)) throw error;
      await this.fail(prepared, meter, image, error.message);
      return;
    }
    const { window } = prepared.request;
    await this.report(meter, { image, mask, outcome, ...(result && { result }), ...(window && { window }) });
  }

  /** Whatever goes wrong in the engine concerns the one image: a UserError with the engine's words. */
  private async segment({ request, references }: Prepared, image: string): Promise<SegmentResult> {
    const path = absolutePath(this.job.root, image);
    const own = references.get(path);
    if (own !== undefined) return own;
    try {
      const result = await this.job.engine.segment(
        { ...request, image: path, cacheBelow: this.lowest.bound },
        { signal: this.signal },
      );
      this.lowest.add(result.trust ?? result.iouPrediction);
      return result;
    } catch (error) {
      if (error instanceof UserError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(`${path} could not be segmented: ${reason.replace(/\.$/, '')}.`, { cause: error });
    }
  }

  private async fail({ committer }: Prepared, meter: ProgressMeter, image: string, message: string): Promise<void> {
    await committer.recordFailure(image, message);
    this.failures.push({ image, message });
    await this.report(meter, { image, mask: await this.masks.locate(image), outcome: 'failed', message });
  }

  private async report(meter: ProgressMeter, report: ImageReport): Promise<void> {
    const progress = meter.add(report.image, report.outcome, report.result !== undefined);
    await this.options.onImage?.(report);
    this.options.onProgress?.(progress);
  }
}

function referenceResult({ info: { size, file }, mask }: CheckedReference): SegmentResult {
  const notes = ['the reference itself: its support mask is its mask'];
  return {
    size,
    file,
    outcome: 'mask',
    mask,
    instances: [],
    prompts: [],
    iouPrediction: Number.NaN,
    notes,
    times: { total: 0 },
  };
}
