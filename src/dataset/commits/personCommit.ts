import type { LabelMap } from '../../core/pixels/labelMap';
import { Outcome, UserError } from '../../core/userError';
import { EMPTY_HASH, hashIfPresent } from '../../disk/atomicFile';
import { sha256 } from '../../disk/hashing';
import { encodeMaskPng } from '../../formats/maskPng';
import type { FileStamp, SegmentResult } from '../../protocol/engineApi';
import { absolutePath } from '../files/folder';
import { MaskFolderGrants } from '../files/maskFolderGrants';
import { MaskLocator } from '../files/maskLocator';
import { carryInstances } from '../journal/instanceFile';
import { JournalWriter } from '../journal/journal';
import { type JournalEntry, type JournalView, JournalViews } from '../journal/journalView';
import type { Project } from '../project/project';
import { type TeachingMasks, taughtBy } from '../project/reviewedMasks';
import { openProject } from '../project/setUp';
import { Turns } from '../project/turns';
import { type ClassLine, resultLine, UNKNOWN } from './classLine';
import { type CopyOptions, type CopyRequest, writeCopy } from './maskCopy';
import { completeUnfinished, MaskProtocol } from './maskProtocol';
import { tellTeaching } from './teachingLine';

/** What the journals of persons are called, before the session's id. */
const WRITER_PREFIX = 'person-';

export interface PersonOptions extends CopyOptions {
  /** Tells the journal of this window from those of others: letters, digits, `.`, `_`, `-`. */
  readonly session: string;
  /** Views that others look at as well. */
  readonly journals?: JournalViews;
  /** Mask folders outside their root that are allowed; none if left out. */
  readonly grants?: MaskFolderGrants;
}

/** Where the pixels of a class come from that a save puts on the disk. */
export type ClassWork =
  /** A person has changed them. */
  | { readonly classId: number; readonly by: 'person' }
  /** They are a run's result as it came; an automatic save of it is no judgement. */
  | {
      readonly classId: number;
      readonly by: 'run';
      readonly run: string;
      readonly result: SegmentResult;
      /** The reviewed masks that taught it, if any. */
      readonly teaching?: TeachingMasks;
    }
  /** They are again what they were when the journal said this of them, and so is what is known of them. */
  | { readonly classId: number; readonly by: 'before'; readonly entry: JournalEntry };

export interface LabelSave {
  /** Posix path relative to the root. */
  readonly image: string;
  /** Absolute path from which the mask was read, or where it was to be; located anew where undefined. */
  readonly path?: string;
  /** All labels of the image; they must not change until `onEncoded` is called or the save has failed. */
  readonly labels: LabelMap;
  /** SHA-256 of the mask file that the labels were read from or last saved to, null where there was none. */
  readonly opened: string | null;
  /** The image file as it was when its pixels were read, null if unknown. */
  readonly file: FileStamp | null;
  /** The classes whose pixels are not those of the opened file. */
  readonly work: readonly ClassWork[];
  /** The labels are no longer needed. */
  readonly onEncoded?: () => void;
}

/** The mask on disk is not the one that was known, and nothing was done. */
export interface Conflict {
  readonly outcome: 'conflict';
  /** Absolute path of the mask. */
  readonly path: string;
  /** SHA-256 of the file that is there, null if there is none. Saving with this as `opened` replaces it. */
  readonly found: string | null;
}

export interface Saved {
  readonly outcome: 'saved';
  readonly path: string;
  /** SHA-256 of the mask file, null where no class is in the image and no file was needed: the next save's `opened`. */
  readonly mask: string | null;
}

interface Accepted {
  readonly outcome: 'accepted';
  readonly path: string;
  /** SHA-256 of the mask file, null where the object was accepted as absent. */
  readonly mask: string | null;
}

/**
 * The commits of one window of the editor, through the same protocol as a run's, so that neither overwrites the other
 * and a crash at any point is completed by the next start. Each root's journal is opened on first use. Calls about one
 * image take turns.
 */
export class PersonCommitter {
  private readonly journals: JournalViews;
  private readonly grants: MaskFolderGrants;
  private readonly writers = new Map<string, Promise<JournalWriter>>();
  /** Calls, by the image's absolute path. */
  private readonly turns = new Turns();
  private disposed = false;

  constructor(private readonly options: PersonOptions) {
    this.grants = options.grants ?? new MaskFolderGrants(null);
    this.journals = options.journals ?? new JournalViews();
  }

  /**
   * Writes labels to the image's mask unless the file there is no longer the one that was opened. A class that a person
   * changed becomes `edited`; a run's result that a person asked for is `auto` or `absent`, whatever was there before.
   *
   * @throws UserError if the disk refuses
   */
  save(root: string, save: LabelSave): Promise<Saved | Conflict> {
    return this.inTurn(root, save.image, async () => {
      const { project, masks, view } = await this.open(root);
      const path = await this.placeFor(save, masks, view);
      if (save.work.length === 0) return { outcome: 'saved', path, mask: save.opened };
      const bytes = isNothing(save) ? null : await encodeMaskPng(save.labels, project.classes);
      save.onEncoded?.();
      const mask = bytes && sha256(bytes);
      const onDisk = await hashIfPresent(path);
      const found = contentOf(onDisk);
      // What is to be written may be there already: a save that failed after that, and is repeated.
      if (found !== save.opened && found !== mask) return { outcome: 'conflict', path, found };
      const protocol = await this.protocol(root, view, masks);
      await view.refresh('persons');
      for (const work of save.work) {
        if (work.by === 'run' && work.teaching)
          await tellTeaching(await this.journal(root, view, masks), view, work.teaching);
      }
      const lines = save.work.map((work) => lineOf(save, work, mask, masks.placeAt(path)));
      if (bytes === null || mask === null || mask === found) {
        await protocol.tell(save.image, lines);
        return { outcome: 'saved', path, mask };
      }
      const instances = save.work.flatMap((work) =>
        work.by === 'run' ? [{ classId: work.classId, instances: work.result.instances }] : [],
      );
      const write = { image: save.image, path, bytes, hash: mask, replaces: onDisk, lines, instances };
      if (await protocol.put(write)) return { outcome: 'saved', path, mask };
      return { outcome: 'conflict', path, found: contentOf(await hashIfPresent(path)) };
    });
  }

  /**
   * Marks a class in an image as right: its mask as it is on the disk, or that there is none where a run found none.
   *
   * @param seen hash of the mask that the person looked at, null for none; whatever is there where undefined
   * @throws UserError if there is nothing to accept, or the disk refuses
   */
  accept(root: string, image: string, classId: number, seen?: string | null): Promise<Accepted | Conflict> {
    return this.inTurn(root, image, async () => {
      const { project, masks, view } = await this.open(root);
      const path = await masks.locate(image);
      const protocol = await this.protocol(root, view, masks);
      const mask = contentOf(await hashIfPresent(path));
      if (seen !== undefined && mask !== seen) return { outcome: 'conflict', path, found: mask };
      const entry = view.entry(image, classId);
      if (mask === null && !isAbsent(entry)) {
        const name = project.classes.find(({ id }) => id === classId)?.name ?? `class ${classId}`;
        throw new Outcome(`${absolutePath(root, image)} has no mask of "${name}" to accept: segment it or draw one.`);
      }
      // Where nothing but what is in the journal has touched the file, the class has the pixels of its last line.
      const known = entry !== undefined && mask !== null && view.knowsMask(image, mask);
      if (known) await carryInstances(root, image, classId, entry.mask, mask);
      const isJudged = known && (entry.status === 'auto' || entry.status === 'accepted');
      const { trust, trustParts } = isJudged ? entry : UNKNOWN;
      const place = mask === null ? {} : { place: masks.placeAt(path) };
      const about = { image, class: classId, run: null, file: entry?.file ?? null, mask, ...place };
      await protocol.tell(image, [{ ...UNKNOWN, ...about, status: 'accepted', trust, trustParts }]);
      // A run may have put another mask in place while the line was written; the person has not seen that one.
      const now = contentOf(await hashIfPresent(path));
      return now === mask ? { outcome: 'accepted', path, mask } : { outcome: 'conflict', path, found: now };
    });
  }

  /** See `writeCopy`. */
  saveCopy(request: CopyRequest): Promise<void> {
    return writeCopy(request, this.options);
  }

  /** Waits for calls under way and closes the journals; later calls reject. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await this.turns.over();
    for (const writer of this.writers.values()) {
      const journal = await writer.catch(() => undefined);
      await journal?.close();
    }
    this.writers.clear();
  }

  private async open(root: string): Promise<{ project: Project; masks: MaskLocator; view: JournalView }> {
    const project = await openProject(root, {}, this.options.defaults);
    const view = await this.journals.of(root);
    await view.refresh();
    return { project, masks: new MaskLocator(root, await this.grants.require(root, project.maskFolder), view), view };
  }

  /**
   * Where a save goes. Throws UserError where that is not where the mask of the open image lay, so that none is lost.
   */
  private async placeFor({ image, path, opened }: LabelSave, masks: MaskLocator, view: JournalView): Promise<string> {
    // Images of the same name may have come since; a mask that was read from there is the image's all the same.
    if (path !== undefined && masks.holds(path) && view.placeOf(image) === undefined) {
      if (opened !== null || (await hashIfPresent(path)) === null) return path;
    }
    const located = await masks.locate(image);
    if (path === undefined || path === located) return located;
    throw new UserError(
      `The mask of ${image} is now to be ${located}, not ${path}: save your edits as a copy, then close the image and open it again.`,
    );
  }

  /** The window's journal of a root; what a window before it could not finish is completed first. */
  private journal(root: string, view: JournalView, masks: MaskLocator): Promise<JournalWriter> {
    let writer = this.writers.get(root);
    if (writer === undefined) {
      writer = JournalWriter.open(root, `${WRITER_PREFIX}${this.options.session}`).then(async (journal) => {
        await completeUnfinished([...view.unfinished('persons')], view, masks, journal);
        return journal;
      });
      this.writers.set(root, writer);
      writer.catch(() => this.writers.delete(root));
    }
    return writer;
  }

  private async protocol(root: string, view: JournalView, masks: MaskLocator): Promise<MaskProtocol> {
    const journal = await this.journal(root, view, masks);
    return new MaskProtocol({ root, journal, view, masks, onLine: (line, at) => view.merge(line, at) });
  }

  private inTurn<T>(root: string, image: string, work: () => Promise<T>): Promise<T> {
    if (this.disposed) return Promise.reject(new Error('the journals of persons are closed'));
    return this.turns.take(absolutePath(root, image), work);
  }
}

function lineOf({ image, file }: LabelSave, work: ClassWork, mask: string | null, place: string): ClassLine {
  const about = { class: work.classId, mask, ...(mask !== null && { place }) };
  if (work.by === 'person') return { image, file, ...UNKNOWN, status: 'edited', run: null, ...about };
  if (work.by === 'run') {
    const taught = work.teaching && taughtBy(work.teaching);
    return { ...resultLine(image, work.run, { ...work, taught }), ...about };
  }
  const { status, run, trust, trustParts, taught, milliseconds, error } = work.entry;
  const known = { trust, trustParts, ...(taught && { taught }), milliseconds, error };
  return { ...UNKNOWN, image, file, status, run, ...known, ...about };
}

/** Whether nothing was found and nothing was there before: that needs no file. */
const isNothing = ({ opened, work }: LabelSave): boolean =>
  opened === null && work.every((one) => one.by === 'run' && one.result.outcome === 'absent');

const isAbsent = (entry: ReturnType<JournalView['entry']>): boolean =>
  entry !== undefined && (entry.status === 'absent' || (entry.status === 'accepted' && entry.mask === null));

/** The empty file that may stand where a mask was about to be created is none. */
const contentOf = (hash: string | null): string | null => (hash === EMPTY_HASH ? null : hash);
