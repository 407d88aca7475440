/**
 * Keeps what is not saved yet in a file, at once and with every edit: VS Code asks for a backup only when nobody has
 * edited for a second or two, and forgets the last one if it ends before it has noted its name.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { LabelChange } from '../../core/drawing/labelChange';
import { removeIfPresent, writeAtomic } from '../../disk/atomicFile';
import { whenFree } from '../../disk/patience';
import type { DocumentState, Work } from '../document/labelDocument';
import { encodeStart, encodeStep, type Replaced, type Step } from './backup';

/** Steps are added up to this many bytes, or as many as the whole work took; then the whole work is written anew. */
const LEAST_BYTES_OF_STEPS = 4_000_000;

/** The document as it is now. */
export interface WorkSource {
  readonly dirty: boolean;
  readonly work: Work;
}

export class UnsavedWork {
  private steps: Uint8Array[] = [];
  /** What the last record says. */
  private written: DocumentState | undefined;
  private file: FileHandle | undefined;
  private startBytes = 0;
  private stepBytes = 0;
  private writing: Promise<void> = Promise.resolve();
  private next: Promise<void> | undefined;
  /** There may be a file to remove. */
  private isThere: boolean;

  /**
   * @param path absolute path of the file, of which nobody else is the writer
   * @param replaced whose work this is: files that are no longer needed when this one goes
   */
  constructor(
    readonly path: string,
    private readonly source: () => WorkSource,
    private readonly replaced: readonly Replaced[] = [],
  ) {
    this.isThere = replaced.length > 0;
  }

  /** To be called after every change of the document, or of what it stands on. */
  changed(change: LabelChange | null): void {
    const { dirty, work } = this.source();
    if (!dirty && !this.isThere) return;
    if (this.written !== undefined) {
      this.steps.push(encodeStep(stepOf(change, this.written, work)));
      this.written = work.state;
    }
    // Whoever wants to know whether it worked asks `kept`; a later step tries again.
    this.kept().catch(() => undefined);
  }

  /** Resolves when all that has been done so far is on the disk, or gone from it where nothing is unsaved. */
  kept(): Promise<void> {
    if (this.next === undefined) {
      this.next = this.writing.then(() => {
        this.next = undefined;
        return this.write();
      });
      this.writing = this.next.catch(() => undefined);
    }
    return this.next;
  }

  /** Leaves the file where it is. */
  async close(): Promise<void> {
    await this.writing;
    await this.forget();
  }

  private async write(): Promise<void> {
    const { dirty } = this.source();
    if (!dirty) return this.remove();
    const enough = this.stepBytes > Math.max(LEAST_BYTES_OF_STEPS, this.startBytes);
    // Somebody may have taken the file for one that was left behind.
    if (this.file === undefined || enough || (await this.file.stat()).nlink === 0) return this.writeAll();
    const bytes = Buffer.concat(this.steps.splice(0));
    if (bytes.length === 0) return;
    try {
      await this.file.appendFile(bytes);
      await this.file.datasync();
      this.stepBytes += bytes.length;
    } catch (error) {
      // Where it ends now nobody knows.
      await this.forget();
      throw error;
    }
  }

  private async writeAll(): Promise<void> {
    await this.forget();
    this.isThere = true;
    const { work } = this.source();
    const start = encodeStart(work, this.replaced);
    this.written = work.state;
    try {
      await writeAtomic(this.path, start);
      this.file = await whenFree(() => open(this.path, 'a'));
    } catch (error) {
      this.written = undefined;
      throw error;
    }
    this.startBytes = start.length;
    this.stepBytes = 0;
  }

  private async remove(): Promise<void> {
    await this.forget();
    await removeIfPresent(this.path);
    for (const { path, mtimeMs } of this.replaced) {
      const found = await stat(path).catch(() => undefined);
      // One that was written since is somebody else's.
      if (found?.mtimeMs === mtimeMs) await removeIfPresent(path);
    }
    // An edit that came meanwhile waits for its turn to make the file anew.
    this.isThere = false;
  }

  private async forget(): Promise<void> {
    this.written = undefined;
    this.steps = [];
    await this.file?.close();
    this.file = undefined;
  }
}

function stepOf(change: LabelChange | null, before: DocumentState, { state, classId, maskHash }: Work): Step {
  const changed: Partial<{ -readonly [K in keyof DocumentState]: DocumentState[K] }> = {};
  if (state.session !== before.session) changed.session = state.session;
  if (state.automatic !== before.automatic) changed.automatic = state.automatic;
  if (state.origins !== before.origins) changed.origins = state.origins;
  return { change, state: changed, classId, maskHash };
}
