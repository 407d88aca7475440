/**
 * One image that is open for labelling: its document, what the engine does for it, and the pages that show it. Knows
 * files and the engine but not VS Code, which provider.ts translates to.
 */
import { basename } from 'node:path';
import {
  changeBetween,
  changeOfClass,
  checkChange,
  isUnchanged,
  type LabelChange,
} from '../../core/drawing/labelChange';
import { area, describeSize, type Size, sameSize } from '../../core/geometry';
import { classRuns, fromLabelRuns, type LabelMap, toLabelRuns, unionRuns } from '../../core/pixels/labelMap';
import type { SegmenterCapabilities } from '../../core/prompting/segmenter';
import { mostReferences } from '../../core/strategies';
import { Outcome, UserError } from '../../core/userError';
import { isPersons } from '../../dataset/journal/journal';
import type { JournalEntry } from '../../dataset/journal/journalView';
import { DEFAULT_CLASS } from '../../dataset/project/classes';
import { type Project, resolveStored } from '../../dataset/project/project';
import { nameForm } from '../../disk/nameForms';
import type {
  AutomaticResult,
  ClassInfo,
  DocumentFacts,
  DocumentUpdate,
  EditorState,
  PromptAnswer,
  PromptSession,
  PromptsEdit,
  ViewApi,
} from '../../protocol/editorApi';
import type { EngineApi, EngineInfo, FileStamp, IntensityWindow, Shown } from '../../protocol/engineApi';
import type { Remote } from '../../rpc';
import { type ClassOrigin, classesIn, type DocumentState, type Edit, LabelDocument } from '../document/labelDocument';
import { standingRounds } from '../document/promptRounds';
import { firstClass, foreignAsClass, type ImagePlace, layOver, type Opened, readLabelled, viewOf } from './imageFiles';
import { NewestWins } from './newest';
import { Picture } from './picture';
import { recordedResult } from './recorded';
import { segmentImage } from './segmentation';

/** A page that shows the image, as the document sees it. */
export interface Page {
  readonly view: { [M in keyof ViewApi]: (params: Parameters<ViewApi[M]>[0]) => void };
  /** Addresses of files as the page can load them. */
  addressOf(file: string): string;
}

/** What an open image needs of the extension. */
export interface OpenImageHost {
  readonly engine: Remote<EngineApi>;
  /** Told what the engine says of itself, once its models are loaded. */
  onEngine(info: EngineInfo): void;
  /** Reports an edit for the undo stack. */
  onEdit(label: string, edit: Edit): void;
  /** Told after each change of the labels and of what is known of them, saving included. */
  onChange(change: LabelChange | null): void;
  log(line: string): void;
}

/** What is kept of unsaved work. */
export interface Restored {
  readonly labels: LabelMap;
  readonly state: DocumentState;
  readonly classId: number;
  readonly maskHash: string | null;
}

/** Why nothing may be changed in Restricted Mode. */
export const NEEDS_TRUST = 'This workspace is not trusted: images can be looked at, not labelled.';

export class OpenImage {
  readonly document: LabelDocument;
  private readonly pages = new Set<Page>();
  private readonly prompting = new NewestWins();
  private saving: Promise<unknown> = Promise.resolve();
  private readonly picture: Picture;
  private project!: Project;
  private entry: JournalEntry | undefined;
  /** What the journal has of the automatic result on disk. */
  private recorded: AutomaticResult | null = null;
  /** Class, mask and journal line that this was read for. */
  private recordedAbout = '';
  private capabilities: SegmenterCapabilities | null = null;
  private changedOnDisk = false;
  private imageProblem: string | null = null;
  /** The page whose own pixels are being applied: it shows them already. */
  private painting: Page | undefined;
  private readonly ended = new AbortController();

  private constructor(
    readonly place: ImagePlace,
    private readonly host: OpenImageHost,
    private opened: Opened,
    /** Why nothing may be changed at all: not a local file, workspace not trusted. */
    private readonly locked: string | null,
    private classId: number,
    restored?: Restored,
  ) {
    this.picture = new Picture(
      place.path,
      host,
      opened.overview,
      {
        signal: this.ended.signal,
        onChange: () => this.showImage(),
        say: (text) => this.say(text),
      },
      opened.bands,
    );
    this.document = new LabelDocument(
      restored?.labels ?? opened.labels,
      (change) => {
        host.onChange(change);
        this.publish(change);
      },
      restored?.state,
    );
    if (restored) {
      this.changedOnDisk = restored.maskHash !== opened.maskHash;
      // Unsaved work stands on the mask of then; saving over another one is for the person to decide.
      this.opened = { ...opened, maskHash: restored.maskHash };
    }
  }

  /**
   * Opens an image with the mask that it has, or with the unsaved work that fits it. Throws UserError where the image
   * cannot be shown.
   */
  static async open(
    place: ImagePlace,
    host: OpenImageHost,
    { locked = null, restored }: { locked?: string | null; restored?: Restored | undefined } = {},
  ): Promise<OpenImage> {
    const opened = await readLabelled(place, host.engine);
    const project = await place.root.project();
    // Edits of an image of another size are none of this one.
    const fitting = restored && sameSize(restored.labels.size, opened.labels.size) ? restored : undefined;
    const image = new OpenImage(place, host, opened, locked, fitting?.classId ?? firstClass(project), fitting);
    await image.refreshFacts();
    void image.picture.makeTiles();
    if (image.readOnly === null) void image.warmUp();
    return image;
  }

  /** All that is to be kept of unsaved work; its labels are the document's own. */
  get work(): Restored {
    const { document, classId, maskHash } = this;
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
    return this.opened.maskHash;
  }

  get selectedClass(): number {
    return this.classId;
  }

  get classes(): readonly ClassInfo[] {
    return this.project.classes.length > 0 ? this.project.classes.map(plainClass) : [DEFAULT_CLASS];
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

  dispose(): void {
    this.ended.abort(new Error('the editor was closed'));
    this.pages.clear();
  }

  // Pages

  /** Shows the document on a page until the answer is called. */
  connect(page: Page): () => void {
    this.pages.add(page);
    return () => void this.pages.delete(page);
  }

  stateFor(page: Page): EditorState {
    const { automatic, document } = this;
    const { session } = document.state;
    return {
      image: this.picture.displayFor(page, this.document.labels.size),
      labels: toLabelRuns(this.document.labels),
      automatic,
      session: session && plainSession(session),
      facts: this.facts,
    };
  }

  /** Says something on every page. */
  say(text: string, busy = false): void {
    for (const { view } of this.pages) view.say({ text, busy });
  }

  get facts(): DocumentFacts {
    const { project, classId } = this;
    const references = project.references.filter((reference) => reference.class === classId);
    const root = this.place.root.root;
    const own = project.references.some(
      (reference) =>
        reference.class === classId && nameForm(resolveStored(root, reference.image)) === nameForm(this.place.path),
    );
    return {
      name: basename(this.place.path),
      classes: this.classes,
      classId,
      status: this.entry?.status ?? null,
      dirty: this.document.dirty,
      readOnly: this.readOnly,
      needsTrust: this.locked === NEEDS_TRUST,
      failure: this.entry?.status === 'failed' ? this.entry.error : null,
      isReference: own,
      reference: references.length > 0 ? basename(references[0].image) : null,
      voters: Math.max(0, Math.min(references.length, mostReferences(project.strategy)) - 1),
      changedOnDisk: this.changedOnDisk,
      capabilities: this.capabilities,
    };
  }

  /** Reads project and journal anew and shows what they say. */
  async refreshFacts(): Promise<void> {
    const { root, image } = this.place;
    this.project = await root.project();
    if (!this.classes.some(({ id }) => id === this.classId)) this.classId = firstClass(this.project);
    const journal = await root.journal();
    const { classId, recorded, maskHash } = this;
    this.entry = journal.entry(image, classId);
    this.document.standing = new Map(
      this.classes.flatMap(({ id }) => {
        const entry = journal.entry(image, id);
        return entry && entry.status !== 'failed' ? [[id, entry] as const] : [];
      }),
    );
    const about = JSON.stringify([classId, maskHash, this.entry?.time]);
    if (about !== this.recordedAbout) {
      this.recordedAbout = about;
      this.recorded = await recordedResult(journal, image, classId, maskHash);
    }
    if (this.recorded === recorded) this.showFacts();
    else this.publish(null);
  }

  /** The automatic result that the class comes from, as long as nobody has changed it. */
  private get automatic(): AutomaticResult | null {
    const { automatic, origins } = this.document.state;
    return automatic ?? (origins.get(this.classId)?.by === 'person' ? null : this.recorded);
  }

  // What a person does

  paint(page: Page, { label, change }: { label: string; change: LabelChange }): void {
    this.checkWritable();
    checkChange(change, area(this.size));
    this.prompting.cancel();
    this.painting = page;
    const stale = this.makeEdit(label, change, { session: null });
    this.painting = undefined;
    // The page shows pixels that it had not been told of yet: it starts afresh from the truth.
    if (stale) this.resetPages();
  }

  async prompt({ label, prompts }: { label: string; prompts: PromptsEdit }): Promise<PromptAnswer> {
    this.checkWritable();
    const started = performance.now();
    if (prompts.points.length === 0 && prompts.box === null) {
      this.discardPrompts();
      return { asked: false, iouPrediction: null, milliseconds: 0 };
    }
    const answer = await this.prompting.run(() => this.decode(label, prompts));
    const milliseconds = performance.now() - started;
    if (answer) this.host.log(`prompt answered in ${milliseconds.toFixed(0)} ms`);
    return { asked: answer !== undefined, iouPrediction: answer?.iouPrediction ?? null, milliseconds };
  }

  finishPrompts(): void {
    this.prompting.cancel();
    if (this.document.state.session) this.document.setState({ session: null });
  }

  /** Takes the session's pixels back, but leaves those of Segment Image, which undo takes back. */
  discardPrompts(): void {
    this.prompting.cancel();
    const { session } = this.document.state;
    if (session?.origin === 'automatic') this.finishPrompts();
    else if (session) {
      const change = changeOfClass(this.document.labels, session.classId, session.base);
      this.makeEdit('Discard Prompts', change, { session: null });
    }
  }

  async selectClass(classId: number): Promise<void> {
    if (!this.classes.some(({ id }) => id === classId)) throw new RangeError(`there is no class ${classId}`);
    this.classId = classId;
    this.finishPrompts();
    await this.refreshFacts();
  }

  /** Adds a class to the project and selects it; gives its id. Throws UserError for a name that is taken. */
  async addClass(about: { readonly name: string; readonly colour: string }): Promise<number> {
    this.checkWritable();
    const { root } = this.place;
    // What has been painted so far has a class too, which needs its name before the new one.
    await root.ensureClasses(this.classes);
    const classId = await root.addClass(about);
    await this.refreshFacts();
    await this.selectClass(classId);
    return classId;
  }

  /** Segments the selected class as one edit; undo and redo never infer again. */
  async segment(signal: AbortSignal): Promise<void> {
    this.checkWritable();
    this.prompting.cancel();
    const selected = this.classes.find(({ id }) => id === this.classId)!;
    const { id: classId } = selected;
    this.say('Segmenting...', true);
    try {
      const { engine } = this.host;
      const both = AbortSignal.any([signal, this.ended.signal]);
      const { result, run, automatic } = await segmentImage(engine, this.place.root, this.place.path, selected, both);
      this.checkSize(result.size);
      const change = changeOfClass(this.document.labels, classId, result.mask);
      const points = result.prompts
        .filter(({ reason }) => reason === 'kept')
        .map(({ point, label }) => ({ point, label }));
      const session =
        result.outcome === 'absent'
          ? null
          : {
              classId,
              points,
              box: null,
              origin: 'automatic' as const,
              base: { size: result.size, runs: Uint32Array.of(area(result.size)) },
              iouPrediction: automatic.iouPrediction,
              ...(result.maskPrompt && { maskPrompt: result.maskPrompt }),
              ...(result.answerPrior && { answerPrior: result.answerPrior }),
            };
      // A person's mask that the run draws just so stays the person's.
      const isKept = isUnchanged(change) && this.entry !== undefined && isPersons(this.entry.status);
      const origins = isKept ? this.document.state.origins : this.originsWith([classId], { by: 'run', run, result });
      this.makeEdit('Segment Image', change, { session, automatic, origins });
      const [said] = result.notes;
      const outcome = result.outcome === 'absent' ? `Probably absent: ${said ?? 'nothing matched'}` : 'Segmented';
      this.say(`${outcome} in ${Math.round(result.times.total)} ms`);
    } catch (error) {
      this.say('');
      throw error;
    }
  }

  /** Replaces the pixels by those of another mask file, as one edit. Throws UserError for a mask of another size. */
  async loadMask(file: string): Promise<void> {
    this.checkWritable();
    const classIds = this.classes.map(({ id }) => id);
    const { labels, notes } = await this.host.engine.readLabels({ mask: file, classIds, isForeign: true });
    const laid = layOver(fromLabelRuns(labels), this.picture.info, { mask: file, image: this.place.path });
    if ('misfit' in laid) throw new UserError(laid.misfit);
    const loaded = foreignAsClass(laid.labels, this.classId, this.classes);
    this.prompting.cancel();
    this.makeEdit('Load Mask', changeBetween(this.document.labels, loaded), { session: null, automatic: null });
    const howRead = [...notes, ...laid.notes];
    if (howRead.length > 0) this.say(`${basename(file)}: ${howRead.join('; ')}`);
  }

  // Files

  /**
   * Runs `write`, which puts the labels on disk and gives the new hash of the mask file. Edits made meanwhile stay
   * unsaved. Saves of one image wait for each other.
   */
  save(write: () => Promise<string | null>): Promise<void> {
    const saved = this.saving.then(async () => {
      const markSaved = this.document.checkpoint();
      const maskHash = await write();
      this.opened = { ...this.opened, maskHash };
      this.changedOnDisk = false;
      markSaved();
      this.host.onChange(null);
      await this.refreshFacts();
    });
    this.saving = saved.catch(() => undefined);
    return saved;
  }

  /** Reads the mask anew; unsaved edits are lost. */
  async revert(): Promise<void> {
    this.prompting.cancel();
    const opened = await readLabelled(this.place, this.host.engine, this.picture.window);
    this.checkSize(opened.overview.info.size);
    this.opened = opened;
    this.changedOnDisk = false;
    this.document.replace(this.opened.labels);
    this.host.onChange(null);
    await this.refreshFacts();
    this.resetPages();
  }

  /**
   * Looks whether the mask on disk is still the one that the document stands on. A clean document follows the disk, one
   * with unsaved edits says that they differ.
   */
  async maskMayHaveChanged(): Promise<void> {
    const opened = await readLabelled(this.place, this.host.engine, this.picture.window).catch(() => undefined);
    if (opened === undefined || this.ended.signal.aborted) return;
    // An image of another size is another image, as its own watcher tells.
    if (!sameSize(opened.labels.size, this.size)) return;
    if (opened.maskHash !== this.opened.maskHash) {
      if (this.document.dirty) this.changedOnDisk = true;
      else {
        this.opened = opened;
        this.document.replace(opened.labels);
        this.resetPages();
      }
    }
    await this.refreshFacts();
  }

  /** Looks at the image file again: gone, of another size, or just other pixels. */
  async imageMayHaveChanged(): Promise<void> {
    try {
      const { size } = await this.picture.lookAgain();
      if (this.ended.signal.aborted) return;
      this.imageProblem = sameSize(size, this.document.labels.size)
        ? null
        : `${this.place.path} is now ${describeSize(size)} pixels; it was ${describeSize(this.document.labels.size)} when it was opened. Close and open it again.`;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.imageProblem = error.message;
    }
    this.showFacts();
  }

  // The picture

  /** What an image of more than 8 bits is shown through from now on; null: its own percentiles. */
  async setDisplayWindow(window: IntensityWindow | null): Promise<void> {
    await this.picture.show(window ?? undefined);
  }

  /** Makes the tiles again where the cache has dropped them, as a page notices that cannot load one. */
  checkTiles(): Promise<void> {
    return this.picture.checkTiles();
  }

  // Below

  private async decode(
    label: string,
    { points, box }: PromptsEdit,
  ): Promise<{ iouPrediction: number | null } | undefined> {
    const { document, classId, place } = this;
    const before = document.state.session;
    const session = before ?? {
      classId,
      origin: 'person' as const,
      base: classRuns(document.labels, classId),
    };
    const standing = standingRounds(before?.rounds ?? [], { points, box });
    const last = standing.at(-1)?.logits;
    const maskPrompt = last ?? before?.maskPrompt;
    const answer = await this.host.engine.decode(
      {
        image: place.path,
        prompts: { points, ...(box && { box }), ...(maskPrompt && { maskPrompt }) },
        ...(before?.maskPrompt && { asApMedSam: true }),
        ...(last === undefined && before?.answerPrior && { answerPrior: before.answerPrior }),
        // What began as a strategy's prompts is drawn as the strategy draws.
        ...(session.origin === 'person' && { bestOverlap: true }),
        withMaskPrompt: this.capabilities?.iterative ?? false,
        ...this.encoderView(),
      },
      { signal: this.ended.signal },
    );
    // Somebody painted, undid or ended the session meanwhile: the answer is to a question that no longer stands.
    if (document.state.session !== before) return undefined;
    this.checkSize(answer.mask.size);
    const mask = unionRuns(session.base, answer.mask);
    const iouPrediction = Number.isFinite(answer.iouPrediction) ? answer.iouPrediction : null;
    const { maskPrompt: logits } = answer;
    const rounds = logits ? [...standing, { points, box, logits }] : standing;
    this.makeEdit(label, changeOfClass(document.labels, session.classId, mask), {
      session: { ...session, points, box, iouPrediction, rounds },
    });
    return { iouPrediction };
  }

  /** An edit of a person unless its state says otherwise. Says whether the change was made from old labels. */
  private makeEdit(label: string, change: LabelChange, state: Partial<DocumentState>): boolean {
    const origins = this.originsWith([...classesIn(change)], { by: 'person' });
    const { edit, stale } = this.document.edit(label, change, { origins, ...state });
    this.host.onEdit(label, edit);
    return stale;
  }

  private originsWith(classes: readonly number[], origin: ClassOrigin): ReadonlyMap<number, ClassOrigin> {
    return new Map([...this.document.state.origins, ...classes.map((id) => [id, origin] as const)]);
  }

  private checkWritable(): void {
    if (this.readOnly !== null) throw new Outcome(this.readOnly);
  }

  private checkSize(size: Size): void {
    if (sameSize(size, this.size)) return;
    throw new UserError(
      `${this.place.path} is ${describeSize(size)} pixels now, but was ${describeSize(this.size)} when it was opened: close and open it again.`,
    );
  }

  /** Encodes the image while the person looks at it, so that the first click is answered as fast as the next ones. */
  private async warmUp(): Promise<void> {
    const { engine } = this.host;
    try {
      await engine.prefetch({ image: this.place.path, ...this.encoderView() }, { signal: this.ended.signal });
      const info = await engine.info(undefined, { signal: this.ended.signal });
      this.capabilities = info.capabilities;
      this.host.onEngine(info);
      this.showFacts();
    } catch (error) {
      if (this.ended.signal.aborted) return;
      // The first click will meet the same and say so; the log knows already.
      this.host.log(`${this.place.path} could not be encoded: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** How the models see images: with the bands and through the window of the folder, whatever is shown. */
  private encoderView(): Shown {
    return viewOf(this.project);
  }

  private publish(change: LabelChange | null): void {
    for (const page of this.pages) {
      const { automatic, document } = this;
      const { session } = document.state;
      const update: DocumentUpdate = {
        change: page === this.painting ? null : change,
        automatic,
        session: session && plainSession(session),
        facts: this.facts,
      };
      page.view.update(update);
    }
  }

  private resetPages(): void {
    for (const page of this.pages) page.view.reset(this.stateFor(page));
  }

  private showImage(): void {
    for (const page of this.pages) page.view.showImage(this.picture.displayFor(page, this.document.labels.size));
  }

  private showFacts(): void {
    for (const { view } of this.pages) view.showFacts(this.facts);
  }
}

/** What is shown of a class; project.json may say more. */
const plainClass = ({ id, name, colour }: ClassInfo): ClassInfo => ({ id, name, colour });

/** Without mask prompts, which no page has a use for. */
function plainSession({ classId, points, box, origin, base, iouPrediction }: PromptSession): PromptSession {
  return { classId, points, box, origin, base, iouPrediction };
}
