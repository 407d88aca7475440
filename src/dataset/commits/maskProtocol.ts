/**
 * How a mask gets to the disk, whoever made it, so that a crash at any point leaves a state that the next start
 * completes: an intent that names the mask, the instances that hold with it, the file, the word that it is done.
 */
import type { Instance } from '../../core/prompting/instances';
import { createAtomic, hashIfPresent, replaceAtomic } from '../../disk/atomicFile';
import type { Patience } from '../../disk/patience';
import type { MaskLocator } from '../files/maskLocator';
import { saveInstances } from '../journal/instanceFile';
import type { JournalLine, JournalWriter, LinePosition } from '../journal/journal';
import type { JournalView } from '../journal/journalView';
import type { ClassLine } from './classLine';

/** Steps of a commit, named by what has just become true. */
export type CommitStep = 'intent' | 'instances' | 'mask' | 'done';

export interface ProtocolContext {
  readonly root: string;
  readonly journal: JournalWriter;
  readonly view: JournalView;
  readonly masks: MaskLocator;
  /** Told of each line that is on the disk. */
  readonly onLine?: (line: JournalLine, at: LinePosition) => void;
  /** Called after each step; a failure in it ends the commit there, as a crash would. */
  readonly onStep?: ((step: CommitStep, image: string) => void | Promise<void>) | undefined;
  /** Ends the waiting for a file that another program holds, and with it the commit, by its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A mask that is to be put in place. */
export interface MaskWrite {
  /** Posix path relative to the root. */
  readonly image: string;
  /** Absolute path of the mask. */
  readonly path: string;
  /** The whole file, and its SHA-256. */
  readonly bytes: Uint8Array;
  readonly hash: string;
  /** SHA-256 of the file that is to be replaced, null where there is none. */
  readonly replaces: string | null;
  /** What is said of each class that changes; they name the mask and its place. */
  readonly lines: readonly ClassLine[];
  /** The objects of classes that a run has segmented anew. */
  readonly instances: readonly { readonly classId: number; readonly instances: readonly Instance[] }[];
}

export class MaskProtocol {
  constructor(private readonly context: ProtocolContext) {}

  /**
   * Puts a mask in place, unless the file there is not the one that it replaces: then only intents are left, which name
   * a mask that nobody will write. Throws UserError if the disk refuses.
   *
   * @param isStillDue asked last before the file is written; where it is false, nothing is
   * @returns whether the mask is in place and told of
   */
  async put(write: MaskWrite, isStillDue: () => Promise<boolean> = async () => true): Promise<boolean> {
    const { root, masks, signal } = this.context;
    const { image, path, bytes, hash, replaces, lines } = write;
    const patience = { signal };
    await this.append('intent', lines);
    await this.reached('intent', image);
    for (const { classId, instances } of write.instances) {
      await saveInstances(root, image, classId, hash, instances, patience);
    }
    await this.reached('instances', image);
    if (!(await isStillDue())) return false;
    const options = { within: masks.folder, patience };
    const placed =
      replaces === null
        ? await createAtomic(path, bytes, options)
        : await replaceAtomic(path, bytes, replaces, options);
    if (!placed) return false;
    await this.reached('mask', image);
    await this.tell(image, lines);
    return true;
  }

  /** Says what is so of classes of an image whose file stays as it is. */
  async tell(image: string, lines: readonly ClassLine[]): Promise<void> {
    await this.append('done', lines);
    await this.reached('done', image);
  }

  private async append(kind: JournalLine['kind'], lines: readonly ClassLine[]): Promise<void> {
    const { journal, view, onLine } = this.context;
    const full = lines.map((line): JournalLine => ({ kind, ...line, time: view.nextTime(line.image, line.class) }));
    // Together, so that they share one flush.
    const places = await Promise.all(full.map((line) => journal.append(line)));
    full.forEach((line, index) => {
      onLine?.(line, places[index]);
    });
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
