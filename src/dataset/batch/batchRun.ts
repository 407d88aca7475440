/** One run of a batch under its lock: prepare, then as many lanes as the engines have use for. */
import { setMaxListeners } from 'node:events';
import { dirname, join } from 'node:path';
import { beliefIn } from '../../core/strategies/strategy';
import { NoEngineError, UserError } from '../../core/userError';
import { removeStaleTemporaries, requireWritable } from '../../disk/atomicFile';
import { nameForm } from '../../disk/nameForms';
import { isDenial, isDiskFailure } from '../../disk/storageError';
import type { SegmentResult } from '../../protocol/engineApi';
import type { BatchSummary, ImageFailure } from '../../protocol/runnerApi';
import type { ClassResult } from '../commits/classLine';
import { RunCommitter } from '../commits/runCommit';
import { tellTeaching } from '../commits/teachingLine';
import { absolutePath, PROJECT_FOLDER, scanFolder } from '../files/folder';
import { imageFailure } from '../files/imageFailure';
import { readLabelFile } from '../files/labelFile';
import { MaskLocator } from '../files/maskLocator';
import { isDoubtful } from '../journal/doubtful';
import { instancesFile } from '../journal/instanceFile';
import { isPersons, type JournalWriter, journalFolder, type PlaceLine } from '../journal/journal';
import { JournalView } from '../journal/journalView';
import { type CheckedReference, checkReference, referenceFolder } from '../project/reference';
import { NO_TEACHING, type ReviewedSource, taughtBy } from '../project/reviewedMasks';
import { noteOnMasks, targetsOf } from '../project/targets';
import type { BatchJob, BatchOptions, ClassReport, ImageReport } from './batchJob';
import { inShard, type Need, needOf, type PlanContext, readMask } from './batchPlan';
import { imageOutcome, ProgressMeter } from './batchProgress';
import { lockFolder, type Shard } from './lock';
import { Lowest } from './lowest';
import { type ClassRun, type RunRequest, runRequest } from './runRequest';

/** Images that a person is likely to open next: only their embeddings are worth the space. */
const CACHED_IMAGES = 32;

/** What all images of a run share. */
interface Prepared {
  readonly view: JournalView;
  readonly shared: RunRequest['shared'];
  readonly committer: RunCommitter;
  /** By class id. */
  readonly classes: readonly PreparedClass[];
}

interface PreparedClass extends ClassRun {
  readonly plan: PlanContext;
  /** The reference images' own results by the form of their path: what a person drew needs no guess. */
  readonly own: ReadonlyMap<string, SegmentResult>;
}

export class BatchRun {
  /** Aborts with the caller's signal, and with `stop` when going on is pointless. */
  private readonly signal: AbortSignal;
  private masks!: MaskLocator;
  /** Lines about whose a mask is, on their way to the journal. */
  private readonly noted: Promise<unknown>[] = [];
  private readonly failures: ImageFailure[] = [];
  private readonly lowest = new Lowest(CACHED_IMAGES);
  /** What has been said of image files: once is enough for a folder of ten thousand. */
  private readonly told = new Set<string>();

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
  }

  async run(): Promise<BatchSummary> {
    const { root, shard, targets = [] } = this.job;
    const started = performance.now();
    const found = this.job.scan ?? (await scanFolder(root, { maskFolder: this.maskFolder, targets }));
    const view = await JournalView.read(root);
    const scan = targetsOf(root, found, view, [...this.job.references, ...this.job.project.references]);
    const isMine = (image: string) => inShard(image, shard);
    const images = scan.images.filter(isMine);
    const unreadable = scan.failures.filter(({ image }) => isMine(image));
    this.masks = new MaskLocator(root, this.maskFolder, view);
    const meter = new ProgressMeter(images.length + unreadable.length);
    try {
      const note = noteOnMasks(scan);
      if (note !== null) this.options.onNote?.(note);
      await this.cleanUp(images);
      const prepared = await this.prepare(scan.images, images, view);
      await prepared.committer.completeUnfinished(isMine);
      for (const { image, message } of unreadable) await this.fail(prepared, meter, image, message);
      await this.work(images, (image) => this.process(prepared, meter, image));
      await Promise.all(this.noted);
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
    const inProject = new Set(ours);
    const ofMasks = new Set([this.maskFolder]);
    for (const image of images) {
      ofMasks.add(dirname(this.masks.usualPath(image)));
      inProject.add(dirname(instancesFile(root, image)));
    }
    for (const folder of inProject) await removeStaleTemporaries(folder, { within: root });
    for (const folder of ofMasks) await removeStaleTemporaries(folder, { within: this.maskFolder });
  }

  /**
   * @param images of all shards, among which a window for deep ones is measured
   * @param mine those that this run is to label
   */
  private async prepare(images: readonly string[], mine: readonly string[], view: JournalView): Promise<Prepared> {
    const { job, journal, masks } = this;
    const { engine, root, project, overwrite, againBelow } = job;
    const { onStep, onNote } = this.options;
    this.signal.throwIfAborted();
    const chosen = [];
    for (const [index, reference] of job.references.entries()) {
      chosen.push({
        reference,
        checked: job.checked?.[index] ?? (await checkReference(root, reference, engine, project.classes)),
      });
    }
    const reviewed = this.reviewedSource(view);
    const { shared, classes, notes } = await runRequest({ ...job, classes: chosen, images, reviewed });
    for (const note of notes) onNote?.(note);
    const prepared: PreparedClass[] = [];
    for (const asked of classes) {
      const name = classes.length > 1 ? `"${project.classes.find(({ id }) => id === asked.classId)!.name}": ` : '';
      const one = await this.learn(shared, asked, (note) => {
        this.told.add(note);
        onNote?.(`${name}${note}`);
      });
      const { classId, run, references, teaching } = one;
      if (teaching.masks) await tellTeaching(journal, view, teaching.masks);
      const own = new Map(references.map((reference) => [nameForm(reference.image), referenceResult(reference)]));
      const set = teaching.masks?.set;
      prepared.push({ ...one, own, plan: { view, classId, run, overwrite, set, againBelow, signal: this.signal } });
    }
    if (againBelow !== undefined) onNote?.(againNote(prepared, mine, againBelow));
    const committer = new RunCommitter({
      root,
      runs: classes.map(({ classId, run }) => ({ classId, run })),
      classes: project.classes,
      journal,
      view,
      masks,
      onStep,
      signal: this.signal,
    });
    return { view, shared, committer, classes: prepared };
  }

  private reviewedSource(view: JournalView): ReviewedSource | undefined {
    const { engine, root, project, learnFrom } = this.job;
    if (learnFrom === 'references') return undefined;
    return {
      ...{ root, view, masks: this.masks, readLabels: readLabelFile },
      classIds: project.classes.map(({ id }) => id),
      inspectImage: (params) => engine.inspectImage(params),
    };
  }

  /** Has the engines learn a class; without the reviewed masks where one of them turns out to be of no use to them. */
  private async learn(shared: RunRequest['shared'], one: ClassRun, onNote: (note: string) => void): Promise<ClassRun> {
    this.signal.throwIfAborted();
    try {
      const request = { ...shared, ...one.question };
      const { notes } = await this.job.engine.prepareReference(request, { signal: this.signal });
      for (const note of notes) onNote(note);
      return one;
    } catch (error) {
      const isOfImage = error instanceof UserError && !(error instanceof NoEngineError);
      if (!isOfImage || one.teaching.masks === undefined) throw error;
      onNote(`the reviewed masks are not learnt from: ${error.message}`);
      return this.learn(shared, withoutReviewed(one), onNote);
    }
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
    let mask: string;
    let results: readonly ClassResult[] | undefined;
    let classes: readonly ClassReport[];
    try {
      mask = await this.masks.locate(image);
      const found = await readMask(mask, this.signal);
      const needs = new Map<number, Need>();
      for (const { classId, plan } of prepared.classes) {
        needs.set(classId, await needOf(plan, image, absolutePath(this.job.root, image), found));
      }
      if (prepared.classes.some(({ classId }) => isFound(prepared.view, image, classId, needs)))
        this.notePlace(prepared, image, mask);
      // Those that are done compete again: what one class gets depends on the others.
      const isDue = [...needs.values()].includes('segment');
      const due = isDue ? prepared.classes.filter(({ classId }) => needs.get(classId) !== 'kept') : [];
      results = due.length > 0 ? await this.segment(prepared, due, image) : [];
      this.tell(image, results);
      const outcomes = results.length > 0 ? await prepared.committer.commit(image, results) : [];
      const written = new Map(
        results.map(({ classId, result }, index) => [classId, { classId, outcome: outcomes[index], result }]),
      );
      classes = prepared.classes.map(
        ({ classId }) => written.get(classId) ?? { classId, outcome: needs.get(classId) as 'skipped' | 'kept' },
      );
    } catch (error) {
      // Cancelled while waiting for the engine, or for a file that another program holds. Else a commit that has begun
      // is finished.
      if (this.signal.aborted && (results === undefined || error === this.signal.reason)) return;
      if (!(error instanceof UserError) || error instanceof NoEngineError || isDiskFailure(error)) throw error;
      // What is denied here may be denied everywhere.
      if (isDenial(error)) await this.requireWritable();
      await this.fail(prepared, meter, image, error.message);
      return;
    }
    const { window, bands } = prepared.shared;
    const outcome = imageOutcome(classes.map((one) => one.outcome));
    await this.report(meter, { image, mask, outcome, classes, ...(window && { window }), ...(bands && { bands }) });
  }

  /** Throws UserError where nothing can be written for any image. */
  private async requireWritable(): Promise<void> {
    for (const folder of [this.maskFolder, join(this.job.root, PROJECT_FOLDER)]) await requireWritable(folder);
  }

  /**
   * Results of some classes, what a person drew first: it has the pixels that a guess about another class claims too.
   * Throws what goes wrong in the engine as `imageFailure` says.
   */
  private async segment({ shared }: Prepared, due: readonly PreparedClass[], image: string): Promise<ClassResult[]> {
    const path = absolutePath(this.job.root, image);
    const own = due.flatMap(({ classId, own: drawn }): ClassResult[] => {
      const result = drawn.get(nameForm(path));
      return result === undefined ? [] : [{ classId, result }];
    });
    const asked = due.filter(({ classId }) => !own.some((one) => one.classId === classId));
    if (asked.length === 0) return own;
    try {
      const classes = asked.map(({ question }) => question);
      const results = await this.job.engine.segmentClasses(
        { ...shared, classes, image: path, cacheBelow: this.lowest.bound },
        { signal: this.signal },
      );
      this.lowest.add(Math.min(...results.map(beliefIn)));
      const answered = results.map((result, index): ClassResult => {
        const { classId, teaching } = asked[index];
        return { classId, result, taught: teaching.masks && taughtBy(teaching.masks) };
      });
      return [...own, ...answered];
    } catch (error) {
      throw imageFailure(path, error);
    }
  }

  /** Tells the journal whose a mask is that a person has made with another program: images of its name may yet come. */
  private notePlace({ view }: Prepared, image: string, mask: string): void {
    if (view.placeOf(image) !== undefined || view.knows(image)) return;
    const place = this.masks.placeAt(mask);
    const line: PlaceLine = { kind: 'place', image, place, time: new Date().toISOString() };
    view.mergePlace(line);
    // Nothing waits for it but the end of the run, so that many share a flush.
    const noted = this.journal.append(line);
    noted.catch((error: unknown) => this.stop.abort(error));
    this.noted.push(noted);
  }

  /** What a person should know of an image file, unless another one has led to the same words. */
  private tell(image: string, results: readonly ClassResult[]): void {
    for (const note of results.flatMap(({ result }) => result.imageNotes ?? [])) {
      if (this.told.has(note)) continue;
      this.told.add(note);
      this.options.onNote?.(`${image} (others like it are not named): ${note}`);
    }
  }

  private async fail(
    { committer, classes }: Prepared,
    meter: ProgressMeter,
    image: string,
    message: string,
  ): Promise<void> {
    const ids = classes.map(({ classId }) => classId);
    await committer.recordFailure(image, message, ids);
    this.failures.push({ image, message });
    const failed = ids.map((classId): ClassReport => ({ classId, outcome: 'failed' }));
    await this.report(meter, {
      image,
      mask: this.masks.usualPath(image),
      outcome: 'failed',
      message,
      classes: failed,
    });
  }

  private async report(meter: ProgressMeter, report: ImageReport): Promise<void> {
    const segmented = report.classes.some(({ result }) => result !== undefined);
    const progress = meter.add(report.image, report.outcome, segmented);
    await this.options.onImage?.(report);
    this.options.onProgress?.(progress);
  }
}

/** Whether a class is kept for a mask that no journal line knows. */
function isFound(view: JournalView, image: string, classId: number, needs: ReadonlyMap<number, Need>): boolean {
  const entry = view.entry(image, classId);
  return needs.get(classId) === 'kept' && !(entry !== undefined && isPersons(entry.status));
}

/** A class that is learnt from its references alone. */
function withoutReviewed(one: ClassRun): ClassRun {
  const { moreReferences = [], ...first } = one.question;
  const voting = moreReferences.slice(0, one.references.length - 1);
  return {
    ...one,
    question: { ...first, ...(voting.length > 0 && { moreReferences: voting }) },
    teaching: NO_TEACHING,
  };
}

/** How many masks are labelled again, told before it begins. */
function againNote(classes: readonly PreparedClass[], images: readonly string[], below: number): string {
  let count = 0;
  for (const { classId, plan } of classes) {
    for (const image of images) {
      const entry = plan.view.entry(image, classId);
      if (entry !== undefined && isDoubtful(entry, below, plan.set)) count++;
    }
  }
  const which = `trusted less than ${below} and taught by other reviewed masks than those of now`;
  if (count === 0) return `no automatic mask is ${which}: none is labelled again.`;
  return count === 1
    ? `one automatic mask is ${which}: it is labelled again.`
    : `${count} automatic masks are ${which}: they are labelled again.`;
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
    iouPrediction: undefined,
    notes,
    times: { total: 0 },
  };
}
