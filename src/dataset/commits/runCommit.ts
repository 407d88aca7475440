/**
 * Puts the results for one image on the disk, so that a crash at any point leaves a state that the next run completes.
 */

import { readLabelMap } from '../../core/maskFiles/maskReading';
import { blankLabels, type LabelMap, labelsOfSize, mergeClasses } from '../../core/pixels/labelMap';
import { UserError } from '../../core/userError';
import { createAtomic, EMPTY_HASH, hashIfPresent, replaceAtomic } from '../../disk/atomicFile';
import { FILE_KINDS, readNamed } from '../../disk/guardedFile';
import { sha256 } from '../../disk/hashing';
import type { Patience } from '../../disk/patience';
import { type ClassColour, encodeMaskPng } from '../../formats/maskPng';
import { readPng } from '../../formats/pngSamples';
import type { SegmentResult } from '../../protocol/engineApi';
import type { MaskLocator } from '../files/maskFolder';
import { saveInstances } from '../journal/instanceFile';
import { isPersons, type JournalLine, type JournalWriter } from '../journal/journal';
import type { JournalView } from '../journal/journalView';

/** Steps of a commit, named by what has just become true. */
export type CommitStep = 'intent' | 'instances' | 'mask' | 'done';

/** `kept`: a person has meanwhile painted or judged the mask, and the result was dropped. */
export type CommitOutcome = 'done' | 'absent' | 'kept';

export interface CommitContext {
  readonly root: string;
  /** The classes of the run, with the run key of each. */
  readonly runs: readonly ClassRunKey[];
  /** Colours of the palette. */
  readonly classes: readonly ClassColour[];
  readonly journal: JournalWriter;
  readonly view: JournalView;
  readonly masks: MaskLocator;
  /** Called after each step; a failure in it ends the commit there, as a crash would. */
  readonly onStep?: ((step: CommitStep, image: string) => void | Promise<void>) | undefined;
  /** Ends the waiting for a file that another program holds, and with it the commit, by its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface ClassRunKey {
  readonly classId: number;
  readonly run: string;
}

/** A run's result for one class of an image. */
export interface ClassResult {
  readonly classId: number;
  readonly result: SegmentResult;
}

/** What a journal line says beyond which class, run and time it is about. */
export type LineFacts = Omit<JournalLine, 'kind' | 'class' | 'run' | 'time'>;

/** What the journal is to say of each class. */
type ClassFacts = ReadonlyMap<number, LineFacts>;

export class RunCommitter {
  constructor(private readonly context: CommitContext) {}

  /**
   * Commits the results of all classes of an image together: an `intent` for each with the new mask's hash, the mask
   * unless the file on disk is no longer the one that was merged, a `done` for each. Where masks overlap, the earlier
   * result has the pixel. Throws UserError if the existing mask cannot take the results or the disk refuses.
   *
   * @returns what became of each class, in order
   */
  async commit(image: string, results: readonly ClassResult[]): Promise<CommitOutcome[]> {
    const { root, classes, masks, signal } = this.context;
    const patience = { signal };
    const path = await masks.locate(image);
    const existing = await readNamed(path, FILE_KINDS.mask, patience);
    const existingHash = existing && sha256(existing);
    const ours = await this.withoutPersons(image, existingHash, results);
    const outcomes = (which: readonly ClassResult[]) =>
      results.map((one): CommitOutcome => {
        if (!which.includes(one)) return 'kept';
        return one.result.outcome === 'absent' ? 'absent' : 'done';
      });
    const [first] = ours;
    if (first === undefined) return outcomes([]);

    const absent = ours.every(({ result }) => result.outcome === 'absent');
    const facts = new Map(ours.map(({ classId, result }) => [classId, factsOf(image, result)]));
    const hasContent = existing !== null && existingHash !== EMPTY_HASH;
    if (absent && !hasContent) return this.finish(image, facts, outcomes(ours));
    const ids = ours.map(({ classId }) => classId);
    const { size } = first.result;
    const before = hasContent ? labelsOfSize(this.labelsIn(existing, path), ids, size, path) : blankLabels(size);
    const after = mergeClasses(
      before,
      ours.map(({ classId, result }) => ({ classId, mask: result.mask })),
    );
    if (absent && Buffer.compare(before.data, after.data) === 0) return this.finish(image, facts, outcomes(ours));

    const bytes = await encodeMaskPng(after, classes);
    const mask = sha256(bytes);
    const place = masks.placeAt(path);
    const written = new Map([...facts].map(([classId, one]) => [classId, { ...one, mask, place }]));
    await this.append('intent', written);
    await this.reached('intent', image);
    for (const { classId, result } of ours) {
      await saveInstances(root, image, classId, mask, result.instances, patience);
    }
    await this.reached('instances', image);
    // The person may have accepted the very mask that is about to be replaced, which its hash does not show.
    const still = await this.withoutPersons(image, existingHash, ours);
    if (still.length < ours.length) {
      // What is left of the intents names a mask that nobody will write.
      const again = await this.commit(image, still);
      return results.map((one) => (still.includes(one) ? again[still.indexOf(one)] : 'kept'));
    }
    const options = { within: masks.folder, patience };
    const placed =
      existingHash === null
        ? await createAtomic(path, bytes, options)
        : await replaceAtomic(path, bytes, existingHash, options);
    if (!placed) return outcomes([]);
    await this.reached('mask', image);
    return this.finish(image, written, outcomes(ours));
  }

  /**
   * Labels that a result may join. Throws UserError for a mask whose values are no class ids: joining would lose what
   * they are.
   */
  private labelsIn(bytes: Uint8Array, path: string): LabelMap {
    const classIds = this.context.classes.map(({ id }) => id);
    const { labels, manner, notes } = readLabelMap(readPng(bytes, path), { classIds }, path);
    if (manner === null) return labels;
    throw new UserError(
      `${path} is not a map of class ids (${notes.join('; ')}), so that no class is written into it: open it in the label editor and save it there, or move it away.`,
    );
  }

  /** Notes a failure for each class but a person's, unless the journal's last word on it is this very failure. */
  async recordFailure(image: string, error: string, classIds: readonly number[]): Promise<void> {
    const { view } = this.context;
    const facts = new Map<number, LineFacts>();
    for (const classId of classIds) {
      const known = view.entry(image, classId);
      if (known?.status === 'failed' && known.error === error && known.run === this.runOf(classId)) continue;
      if (known !== undefined && isPersons(known.status)) continue;
      facts.set(classId, {
        image,
        status: 'failed',
        file: null,
        mask: null,
        trust: null,
        trustParts: { iouPrediction: null },
        prompts: [],
        milliseconds: null,
        error,
      });
    }
    await this.append('done', facts);
  }

  /** See `completeUnfinished`. */
  async completeUnfinished(isMine: (image: string) => boolean): Promise<void> {
    const { view, masks, journal, signal } = this.context;
    const mine = [...view.unfinished()].filter(({ image }) => isMine(image));
    await completeUnfinished(mine, view, masks, journal, { signal });
  }

  /** The results that a run may put in place; `maskHash` is that of the file on disk, if there is one. */
  private async withoutPersons(
    image: string,
    maskHash: string | null,
    results: readonly ClassResult[],
  ): Promise<readonly ClassResult[]> {
    const { view } = this.context;
    await view.refresh('persons');
    return results.filter(({ classId }) => !isKept(view, image, classId, maskHash));
  }

  private async finish(image: string, facts: ClassFacts, outcomes: CommitOutcome[]): Promise<CommitOutcome[]> {
    await this.append('done', facts);
    await this.reached('done', image);
    return outcomes;
  }

  private async append(kind: JournalLine['kind'], facts: ClassFacts): Promise<void> {
    const { journal, view } = this.context;
    // Together, so that they share one flush.
    await Promise.all(
      [...facts].map(([classId, line]) => {
        const time = view.nextTime(line.image, classId);
        return journal.append({ kind, class: classId, run: this.runOf(classId), time, ...line });
      }),
    );
  }

  private runOf(classId: number): string {
    return this.context.runs.find((one) => one.classId === classId)!.run;
  }

  private async reached(step: CommitStep, image: string): Promise<void> {
    await this.context.onStep?.(step, image);
  }
}

/** Writes the `done` that a crash prevented, for those of the intents whose mask had reached the disk. */
export async function completeUnfinished(
  intents: readonly JournalLine[],
  view: JournalView,
  masks: MaskLocator,
  journal: JournalWriter,
  patience?: Patience,
): Promise<void> {
  for (const intent of intents) {
    // One whose mask cannot be told is reported when it is its turn.
    const path = await masks.locate(intent.image).catch(() => null);
    if (path === null || (await hashIfPresent(path, patience)) !== intent.mask) continue;
    const line: JournalLine = { ...intent, kind: 'done', time: view.nextTime(intent.image, intent.class) };
    view.merge(line, await journal.append(line));
  }
}

/**
 * A person has judged the class in this image, has just put a mask in place without having told so yet, or has painted
 * a mask file that no journal line knows.
 */
export function isKept(view: JournalView, image: string, classId: number, maskHash: string | null): boolean {
  const entry = view.entry(image, classId);
  if (entry !== undefined && isPersons(entry.status)) return true;
  const intent = view.intent(image, classId);
  if (intent !== undefined && isPersons(intent.status) && intent.mask === maskHash) return true;
  return maskHash !== null && maskHash !== EMPTY_HASH && !view.knowsMask(image, maskHash);
}

/** What a journal line says of a run's result; its mask is not known yet. */
export function factsOf(image: string, result: SegmentResult): LineFacts {
  const { iouPrediction, trust, trustParts } = result;
  return {
    image,
    status: result.outcome === 'absent' ? 'absent' : 'auto',
    file: result.file,
    mask: null,
    trust: trust ?? null,
    trustParts: { ...trustParts, iouPrediction: Number.isFinite(iouPrediction) ? iouPrediction : null },
    prompts: result.prompts
      .filter(({ reason }) => reason === 'kept')
      .map(({ point, label, instance }) => ({ x: point.x, y: point.y, label, instance })),
    milliseconds: Math.round(result.times.total),
    error: null,
  };
}
