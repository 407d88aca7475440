/** Puts the result for one image on the disk, so that a crash at any point leaves a state that the next run completes. */

import { blankLabels, labelsOfSize, mergeClass } from '../core/labelMap';
import { createAtomic, EMPTY_HASH, hashIfPresent, readIfPresent, replaceAtomic } from '../disk/atomicFile';
import { sha256 } from '../disk/hashing';
import { type ClassColour, decodeMaskPng, encodeMaskPng } from '../formats/maskPng';
import type { SegmentResult } from '../protocol/engineApi';
import { saveInstances } from './instanceFile';
import { isPersons, type JournalLine, type JournalWriter } from './journal';
import type { JournalView } from './journalView';
import type { MaskLocator } from './maskFolder';

/** Steps of a commit, named by what has just become true. */
export type CommitStep = 'intent' | 'instances' | 'mask' | 'done';

/** `kept`: a person has meanwhile painted or judged the mask, and the result was dropped. */
export type CommitOutcome = 'done' | 'absent' | 'kept';

export interface CommitContext {
  readonly root: string;
  readonly classId: number;
  /** Colours of the palette. */
  readonly classes: readonly ClassColour[];
  /** Run key. */
  readonly run: string;
  readonly journal: JournalWriter;
  readonly view: JournalView;
  readonly masks: MaskLocator;
  /** Called after each step; a failure in it ends the commit there, as a crash would. */
  readonly onStep?: ((step: CommitStep, image: string) => void | Promise<void>) | undefined;
}

/** What a journal line says beyond which class, run and time it is about. */
export type LineFacts = Omit<JournalLine, 'kind' | 'class' | 'run' | 'time'>;

export class MaskCommitter {
  constructor(private readonly context: CommitContext) {}

  /**
   * Commits a result: `intent` with the new mask's hash, the mask unless the file on disk is no longer the one that
   * was merged, `done`. Throws UserError if the existing mask cannot take the result or the disk refuses.
   */
  async commit(image: string, result: SegmentResult): Promise<CommitOutcome> {
    const { root, classId, classes, masks } = this.context;
    const path = await masks.locate(image);
    const existing = await readIfPresent(path);
    const existingHash = existing && sha256(existing);
    if (await this.belongsToPerson(image, existingHash)) return 'kept';

    const absent = result.outcome === 'absent';
    const facts = factsOf(image, result);
    const hasContent = existing !== null && existingHash !== EMPTY_HASH;
    if (absent && !hasContent) return this.finish(facts);
    const before = hasContent
      ? labelsOfSize(decodeMaskPng(existing, path), classId, result.size, path)
      : blankLabels(result.size);
    const after = mergeClass(before, classId, result.mask);
    if (absent && Buffer.compare(before.data, after.data) === 0) return this.finish(facts);

    const bytes = await encodeMaskPng(after, classes);
    const mask = sha256(bytes);
    await this.append('intent', { ...facts, mask });
    await this.reached('intent', image);
    await saveInstances(root, image, classId, mask, result.instances);
    await this.reached('instances', image);
    // The person may have accepted the very mask that is about to be replaced, which its hash does not show.
    if (await this.belongsToPerson(image, existingHash)) return 'kept';
    const placed =
      existingHash === null ? await createAtomic(path, bytes) : await replaceAtomic(path, bytes, existingHash);
    if (!placed) return 'kept';
    await this.reached('mask', image);
    return this.finish({ ...facts, mask });
  }

  /** Notes a failure, unless the journal's last word on the image is this very failure. */
  async recordFailure(image: string, error: string): Promise<void> {
    const { classId, run, view } = this.context;
    const known = view.entry(image, classId);
    if (known?.status === 'failed' && known.error === error && known.run === run) return;
    await this.append('done', {
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

  /** See `completeUnfinished`. */
  async completeUnfinished(isMine: (image: string) => boolean): Promise<void> {
    const { view, masks, journal } = this.context;
    await completeUnfinished(view, masks, journal, ({ image }) => isMine(image));
  }

  /** Whether a run must leave the class in this image alone; `maskHash` is that of the file on disk, if there is one. */
  private async belongsToPerson(image: string, maskHash: string | null): Promise<boolean> {
    const { view, classId } = this.context;
    await view.refresh('persons');
    return isKept(view, image, classId, maskHash);
  }

  private async finish(facts: LineFacts): Promise<CommitOutcome> {
    await this.append('done', facts);
    await this.reached('done', facts.image);
    return facts.status === 'absent' ? 'absent' : 'done';
  }

  private async append(kind: JournalLine['kind'], facts: LineFacts): Promise<void> {
    const { classId, run, journal } = this.context;
    await journal.append({ kind, class: classId, run, time: new Date().toISOString(), ...facts });
  }

  private async reached(step: CommitStep, image: string): Promise<void> {
    await this.context.onStep?.(step, image);
  }
}

/** Writes the `done` that a crash prevented, for those intents that are meant and whose mask had reached the disk. */
export async function completeUnfinished(
  view: JournalView,
  masks: MaskLocator,
  journal: JournalWriter,
  isMeant: (intent: JournalLine) => boolean,
): Promise<void> {
  for (const intent of [...view.unfinished()]) {
    if (!isMeant(intent)) continue;
    if ((await hashIfPresent(await masks.locate(intent.image))) !== intent.mask) continue;
    const line: JournalLine = { ...intent, kind: 'done', time: new Date().toISOString() };
    await journal.append(line);
    view.merge(line);
  }
}

/**
 * A person has judged the class in this image, has just put a mask in place without having told so yet, or has painted a
 * mask file that no journal line knows.
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
