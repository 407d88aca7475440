/** What a run puts into masks: its results for the classes of an image, but where a person has had a say. */
import { readLabelMap } from '../../core/maskFiles/maskReading';
import { blankLabels, type LabelMap, labelsOfSize, mergeClasses } from '../../core/pixels/labelMap';
import { UserError } from '../../core/userError';
import { EMPTY_HASH } from '../../disk/atomicFile';
import { FILE_KINDS, readNamed } from '../../disk/guardedFile';
import { sha256 } from '../../disk/hashing';
import { type ClassColour, encodeMaskPng } from '../../formats/maskPng';
import { readPng } from '../../formats/pngSamples';
import { isPersons } from '../journal/journal';
import type { JournalView } from '../journal/journalView';
import { type ClassLine, type ClassResult, resultLine, UNKNOWN } from './classLine';
import { completeUnfinished, MaskProtocol, type ProtocolContext } from './maskProtocol';

/** `kept`: a person has meanwhile painted or judged the mask, and the result was dropped. */
type CommitOutcome = 'done' | 'absent' | 'kept';

/**
 * Where a run writes. Its own lines do not get into its view: where the mask of one image lies must not depend on which
 * others were done before it.
 */
interface CommitContext extends Omit<ProtocolContext, 'onLine'> {
  /** The classes of the run, with the run key of each. */
  readonly runs: readonly ClassRunKey[];
  /** Colours of the palette. */
  readonly classes: readonly ClassColour[];
}

interface ClassRunKey {
  readonly classId: number;
  readonly run: string;
}

export class RunCommitter {
  private readonly protocol: MaskProtocol;

  constructor(private readonly context: CommitContext) {
    this.protocol = new MaskProtocol(context);
  }

  /**
   * Commits the results of all classes of an image together, unless the file on disk is no longer the one that they
   * were merged with. Where masks overlap, the earlier result has the pixel. Throws UserError if the existing mask
   * cannot take the results or the disk refuses.
   *
   * @returns what became of each class, in order
   */
  async commit(image: string, results: readonly ClassResult[]): Promise<CommitOutcome[]> {
    const { classes, masks, signal } = this.context;
    const path = await masks.locate(image);
    const existing = await readNamed(path, FILE_KINDS.mask, { signal });
    const existingHash = existing && sha256(existing);
    const ours = await this.withoutPersons(image, existingHash, results);
    const outcomes = (which: readonly ClassResult[]) =>
      results.map((one): CommitOutcome => {
        if (!which.includes(one)) return 'kept';
        return one.result.outcome === 'absent' ? 'absent' : 'done';
      });
    const [first] = ours;
    if (first === undefined) return outcomes([]);

    const lines = ours.map((one) => resultLine(image, this.runOf(one.classId), one));
    const absent = ours.every(({ result }) => result.outcome === 'absent');
    const content = existingHash === EMPTY_HASH ? null : existing;
    const labels = absent && content === null ? null : this.merged(content, path, first.result, ours);
    if (labels === null || (absent && Buffer.compare(labels.before.data, labels.after.data) === 0)) {
      await this.protocol.tell(image, lines);
      return outcomes(ours);
    }

    const bytes = await encodeMaskPng(labels.after, classes);
    const mask = sha256(bytes);
    const place = masks.placeAt(path);
    const write = {
      ...{ image, path, bytes, hash: mask, replaces: existingHash },
      lines: lines.map((line) => ({ ...line, mask, place })),
      instances: ours.map(({ classId, result }) => ({ classId, instances: result.instances })),
    };
    // The person may have accepted the very mask that is about to be replaced, which its hash does not show.
    let still = ours;
    const isPlaced = await this.protocol.put(write, async () => {
      still = await this.withoutPersons(image, existingHash, ours);
      return still.length === ours.length;
    });
    if (isPlaced) return outcomes(ours);
    if (still.length === ours.length) return outcomes([]);
    const again = await this.commit(image, still);
    return results.map((one) => (still.includes(one) ? again[still.indexOf(one)] : 'kept'));
  }

  /** The labels of the mask file, and those with the results in them. */
  private merged(
    content: Uint8Array | null,
    path: string,
    { size }: ClassResult['result'],
    results: readonly ClassResult[],
  ): { readonly before: LabelMap; readonly after: LabelMap } {
    const ids = results.map(({ classId }) => classId);
    const before = content === null ? blankLabels(size) : labelsOfSize(this.labelsIn(content, path), ids, size, path);
    const masks = results.map(({ classId, result }) => ({ classId, mask: result.mask }));
    return { before, after: mergeClasses(before, masks) };
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
    const lines: ClassLine[] = [];
    for (const classId of classIds) {
      const known = view.entry(image, classId);
      const run = this.runOf(classId);
      if (known?.status === 'failed' && known.error === error && known.run === run) continue;
      if (known !== undefined && isPersons(known.status)) continue;
      lines.push({ image, class: classId, run, status: 'failed', file: null, mask: null, ...UNKNOWN, error });
    }
    if (lines.length > 0) await this.protocol.tell(image, lines);
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

  private runOf(classId: number): string {
    return this.context.runs.find((one) => one.classId === classId)!.run;
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
