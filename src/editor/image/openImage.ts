/**
 * One image that is open for labelling: its document, what the engine does for it, and the pages that show it. Knows
 * files and the engine but not VS Code, which provider.ts translates to.
 */
import { basename } from 'node:path';
import { changeBetween, checkChange, type LabelChange } from '../../core/drawing/labelChange';
import { area, type Size, sameSize } from '../../core/geometry';
import type { Project } from '../../dataset/project/project';
import type { ClassInfo, DocumentFacts, EditorState, PromptAnswer, PromptsEdit } from '../../protocol/editorApi';
import type { EngineApi, EngineInfo, FileStamp } from '../../protocol/engineApi';
import type { Remote } from '../../rpc';
import { Edits } from '../document/edits';
import { type Edit, LabelDocument, type Work } from '../document/labelDocument';
import { Conversation } from './conversation';
import { FilesOnDisk } from './filesOnDisk';
import { foreignAsClass, type ImagePlace, type Opened, readForeignMask, readLabelled } from './imageFiles';
import { type Page, Pages } from './pages';
import { Picture } from './picture';
import { ProjectFacts } from './projectFacts';

/** What an open image needs of the extension. */
interface OpenImageHost {
  readonly engine: Remote<EngineApi>;
  /** Told what the engine says of itself, once its models are loaded. */
  onEngine(info: EngineInfo): void;
  /** Reports an edit for the undo stack. */
  onEdit(edit: Edit): void;
  /** Told after each change of the labels and of what is known of them, saving included. */
  onChange(change: LabelChange | null): void;
  log(line: string): void;
}

/** Why nothing may be changed in Restricted Mode. */
export const NEEDS_TRUST = 'This workspace is not trusted: images can be looked at, not labelled.';

/** What is known once an image has been read. */
interface Read {
  readonly opened: Opened;
  readonly project: Project;
  readonly locked: string | null;
  readonly restored: Work | undefined;
}

export class OpenImage {
  readonly document: LabelDocument;
  /** What is shown of the image, and through which window. */
  readonly picture: Picture;
  private readonly project: ProjectFacts;
  private readonly files: FilesOnDisk;
  private readonly edits: Edits;
  private readonly conversation: Conversation;
  private readonly pages: Pages;
  private readonly ended = new AbortController();

  private constructor(
    readonly place: ImagePlace,
    private readonly host: OpenImageHost,
    { opened, project, locked, restored }: Read,
  ) {
    const { engine } = host;
    const { signal } = this.ended;
    const say = (text: string, busy?: boolean) => this.say(text, busy);
    this.pages = this.pagesOf();
    this.document = new LabelDocument(
      restored?.labels ?? opened.labels,
      (change) => {
        host.onChange(change);
        this.pages.publish(change);
      },
      restored?.state,
    );
    const shown = { signal, onChange: () => this.pages.showImage(), say };
    this.picture = new Picture(place.path, host, opened.overview, shown, opened.bands);
    this.files = new FilesOnDisk(place, engine, this.document, this.picture, opened, locked, {
      signal,
      onSettled: () => host.onChange(null),
      refreshFacts: () => this.refreshFacts(),
      resetPages: () => this.pages.reset(),
    });
    if (restored) this.files.standOn(restored.maskHash);
    this.project = new ProjectFacts(place, this.document, () => this.maskHash, project, restored?.classId);
    this.edits = new Edits(
      this.document,
      () => this.readOnly,
      (edit) => host.onEdit(edit),
    );
    this.conversation = new Conversation({
      place,
      engine,
      document: this.document,
      edits: this.edits,
      project: this.project,
      files: this.files,
      signal,
      say,
      onEngine: (info) => {
        host.onEngine(info);
        this.pages.showFacts();
      },
      log: (line) => host.log(line),
    });
  }

  /**
   * Opens an image with the mask that it has, or with the unsaved work that fits it. Throws UserError where the image
   * cannot be shown.
   *
   * @param locked why nothing may be changed at all: not a local file, workspace not trusted
   */
  static async open(
    place: ImagePlace,
    host: OpenImageHost,
    { locked = null, restored }: { locked?: string | null; restored?: Work | undefined } = {},
  ): Promise<OpenImage> {
    const opened = await readLabelled(place, host.engine);
    const project = await place.root.project();
    // Edits of an image of another size are none of this one.
    const fitting = restored && sameSize(restored.labels.size, opened.labels.size) ? restored : undefined;
    const image = new OpenImage(place, host, { opened, project, locked, restored: fitting });
    await image.refreshFacts();
    void image.picture.makeTiles();
    if (image.readOnly === null) void image.conversation.warmUp();
    return image;
  }

  /** All that is to be kept of unsaved work; its labels are the document's own. */
  get work(): Work {
    const { document, selectedClass: classId, maskHash } = this;
    return { labels: document.labels, state: document.state, classId, maskHash };
  }

  get size(): Size {
    return this.picture.info.size;
  }

  /** The image file as it was when its pixels were read. */
  get file(): FileStamp {
    return this.picture.info.file;
  }

  /** SHA-256 of the mask file that the document stands on, null where there was none. */
  get maskHash(): string | null {
    return this.files.maskHash;
  }

  get selectedClass(): number {
    return this.project.classId;
  }

  get classes(): readonly ClassInfo[] {
    return this.project.classes;
  }

  /** Why nothing can be changed, or null. */
  get readOnly(): string | null {
    return this.files.readOnly;
  }

  /** How the mask file was read, in one sentence, where that is worth a word; else null. */
  get howRead(): string | null {
    return this.files.howRead;
  }

  get facts(): DocumentFacts {
    return {
      ...this.project.facts,
      name: basename(this.place.path),
      dirty: this.document.dirty,
      readOnly: this.readOnly,
      needsTrust: this.files.locked === NEEDS_TRUST,
      changedOnDisk: this.files.changedOnDisk,
      capabilities: this.conversation.capabilities,
    };
  }

  dispose(): void {
    this.ended.abort(new Error('the editor was closed'));
    this.pages.close();
  }

  /** Shows the document on a page until the answer is called. */
  connect(page: Page): () => void {
    return this.pages.connect(page);
  }

  stateFor(page: Page): EditorState {
    return this.pages.stateFor(page);
  }

  /** Says something on every page. */
  say(text: string, busy = false): void {
    this.pages.say(text, busy);
  }

  /** Reads project and journal anew and shows what they say. */
  async refreshFacts(): Promise<void> {
    if (await this.project.refresh()) this.pages.publish(null);
    else this.pages.showFacts();
  }

  /** Applies pixels that a page has painted and shows already. */
  paint(page: Page, { label, change }: { label: string; change: LabelChange }): void {
    this.edits.checkWritable();
    checkChange(change, area(this.size));
    this.conversation.cancel();
    const stale = this.pages.paintedBy(page, () => this.edits.make(label, change, { session: null }));
    // The page shows pixels that it had not been told of yet: it starts afresh from the truth.
    if (stale) this.pages.reset();
  }

  /** Takes an edit back, or makes it again; says so on the pages where that is no longer possible. */
  step(direction: 'undo' | 'redo', edit: Edit): void {
    if (this.document[direction](edit)) return;
    const what = direction === 'undo' ? 'undone' : 'redone';
    this.say(`"${edit.label}" can no longer be ${what}: the mask has been replaced since.`);
  }

  prompt(params: { label: string; prompts: PromptsEdit }): Promise<PromptAnswer> {
    return this.conversation.prompt(params);
  }

  finishPrompts(): void {
    this.conversation.finish();
  }

  discardPrompts(): void {
    this.conversation.discard();
  }

  /** Segments the selected class as one edit; undo and redo never infer again. */
  segment(signal: AbortSignal): Promise<void> {
    return this.conversation.segment(signal);
  }

  async selectClass(classId: number): Promise<void> {
    this.project.select(classId);
    this.finishPrompts();
    await this.refreshFacts();
  }

  /** Adds a class to the project and selects it; gives its id. Throws UserError for a name that is taken. */
  async addClass(about: { readonly name: string; readonly colour: string }): Promise<number> {
    this.edits.checkWritable();
    const { root } = this.place;
    // What has been painted so far has a class too, which needs its name before the new one.
    await root.ensureClasses(this.classes);
    const classId = await root.addClass(about);
    await this.refreshFacts();
    await this.selectClass(classId);
    return classId;
  }

  /** Replaces the pixels by those of another mask file, as one edit. Throws UserError for a mask of another size. */
  async loadMask(file: string): Promise<void> {
    this.edits.checkWritable();
    const { labels, notes } = await readForeignMask(
      this.host.engine,
      file,
      this.place.path,
      this.picture,
      this.classes,
    );
    const loaded = foreignAsClass(labels, this.selectedClass, this.classes);
    this.conversation.cancel();
    this.edits.make('Load Mask', changeBetween(this.document.labels, loaded), { session: null, automatic: null });
    if (notes.length > 0) this.say(`${basename(file)}: ${notes.join('; ')}`);
  }

  /** See `FilesOnDisk.save`. */
  save(write: () => Promise<string | null>): Promise<void> {
    return this.files.save(write);
  }

  /** Reads the mask anew; unsaved edits are lost. */
  revert(): Promise<void> {
    this.conversation.cancel();
    return this.files.revert();
  }

  /** To be called when the mask on disk may be another one. */
  maskMayHaveChanged(): Promise<void> {
    return this.files.maskMayHaveChanged();
  }

  /** To be called when the image file may be gone, of another size, or of other pixels. */
  async imageMayHaveChanged(): Promise<void> {
    await this.files.imageMayHaveChanged();
    this.pages.showFacts();
  }

  /** Pages that show whatever is true of this image when they are told. */
  private pagesOf(): Pages {
    const image = this;
    return new Pages({
      displayFor: (page) => image.picture.displayFor(page, image.document.labels.size),
      get labels() {
        return image.document.labels;
      },
      get automatic() {
        return image.project.automatic;
      },
      get session() {
        return image.document.state.session;
      },
      get facts() {
        return image.facts;
      },
    });
  }
}
