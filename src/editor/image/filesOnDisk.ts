/** Image and mask on disk as an open document stands on them: saved, read anew, looked at when others write them. */
import { basename } from 'node:path';
import { describeSize, type Size, sameSize } from '../../core/geometry';
import { UserError } from '../../core/userError';
import type { EngineApi } from '../../protocol/engineApi';
import type { Remote } from '../../rpc';
import type { LabelDocument } from '../document/labelDocument';
import { type ImagePlace, type Opened, readLabelled } from './imageFiles';
import type { Picture } from './picture';

interface DiskEvents {
  /** Aborts when the image is closed. */
  readonly signal: AbortSignal;
  /** The document is saved or reverted. */
  onSettled(): void;
  /** Project and journal have to be read anew. */
  refreshFacts(): Promise<void>;
  /** Pages have to be shown everything anew. */
  resetPages(): void;
}

export class FilesOnDisk {
  private saving: Promise<unknown> = Promise.resolve();
  private imageProblem: string | null = null;
  private isOther = false;

  /**
   * @param opened what was read for the document; its mask hash is that of the mask which the document stands on
   * @param locked why nothing may be changed at all: not a local file, workspace not trusted
   */
  constructor(
    private readonly place: ImagePlace,
    private readonly engine: Remote<EngineApi>,
    private readonly document: LabelDocument,
    private readonly picture: Picture,
    private opened: Opened,
    readonly locked: string | null,
    private readonly events: DiskEvents,
  ) {}

  /** SHA-256 of the mask file that the document stands on, null where there was none. */
  get maskHash(): string | null {
    return this.opened.maskHash;
  }

  /** The mask on disk is not the one that the document stands on. */
  get changedOnDisk(): boolean {
    return this.isOther;
  }

  /** Why nothing can be changed, or null. */
  get readOnly(): string | null {
    return this.locked ?? this.imageProblem ?? this.opened.problem;
  }

  /** How the mask file was read, in one sentence, where that is worth a word; else null. */
  get howRead(): string | null {
    const { notes } = this.opened;
    return notes.length > 0 ? `${basename(this.place.mask)}: ${notes.join('; ')}.` : null;
  }

  /** Unsaved work stands on the mask of then (its SHA-256): saving over another one is for the person to decide. */
  standOn(maskHash: string | null): void {
    this.isOther = maskHash !== this.opened.maskHash;
    this.opened = { ...this.opened, maskHash };
  }

  /** Throws UserError where what was made for the image is of another size: the file has been replaced. */
  checkSize(size: Size): void {
    const { size: own } = this.picture.info;
    if (sameSize(size, own)) return;
    throw new UserError(
      `${this.place.path} is ${describeSize(size)} pixels now, but was ${describeSize(own)} when it was opened: close and open it again.`,
    );
  }

  /**
   * Runs `write`, which puts the labels on disk and gives the new hash of the mask file. Edits made meanwhile stay
   * unsaved. Saves of one image wait for each other.
   */
  save(write: () => Promise<string | null>): Promise<void> {
    const saved = this.saving.then(async () => {
      const markSaved = this.document.checkpoint();
      const maskHash = await write();
      this.opened = { ...this.opened, maskHash };
      this.isOther = false;
      markSaved();
      this.events.onSettled();
      await this.events.refreshFacts();
    });
    this.saving = saved.catch(() => undefined);
    return saved;
  }

  /** Reads the mask anew; unsaved edits are lost. */
  async revert(): Promise<void> {
    const opened = await this.read();
    this.checkSize(opened.overview.info.size);
    this.opened = opened;
    this.isOther = false;
    this.document.replace(opened.labels);
    this.events.onSettled();
    await this.events.refreshFacts();
    this.events.resetPages();
  }

  /**
   * Looks whether the mask on disk is still the one that the document stands on. A clean document follows the disk, one
   * with unsaved edits says that they differ.
   */
  async maskMayHaveChanged(): Promise<void> {
    const opened = await this.read().catch(() => undefined);
    if (opened === undefined || this.events.signal.aborted) return;
    // An image of another size is another image, as its own watcher tells.
    if (!sameSize(opened.labels.size, this.picture.info.size)) return;
    if (opened.maskHash !== this.opened.maskHash) {
      if (this.document.dirty) this.isOther = true;
      else {
        this.opened = opened;
        this.document.replace(opened.labels);
        this.events.resetPages();
      }
    }
    await this.events.refreshFacts();
  }

  /** Looks at the image file again: gone, of another size, or just other pixels. */
  async imageMayHaveChanged(): Promise<void> {
    const { size: labelled } = this.document.labels;
    try {
      const { size } = await this.picture.lookAgain();
      if (this.events.signal.aborted) return;
      this.imageProblem = sameSize(size, labelled)
        ? null
        : `${this.place.path} is now ${describeSize(size)} pixels; it was ${describeSize(labelled)} when it was opened. Close and open it again.`;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.imageProblem = error.message;
    }
  }

  private read(): Promise<Opened> {
    return readLabelled(this.place, this.engine, this.picture.window);
  }
}
