/** The label editor in VS Code: translates between the custom editor contract and OpenImage, and decides nothing. */
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import type { LabelChange } from '../core/drawing/labelChange';
import { describeSize } from '../core/geometry';
import { UserError } from '../core/userError';
import { relativePath } from '../dataset/files/folder';
import { Owner } from '../dispose';
import type { Projects } from '../projects';
import type { CanvasAction, EditorApi, PageCommand, ViewApi } from '../protocol/editorApi';
import type { EngineInfo } from '../protocol/engineApi';
import { connect, type Handlers } from '../rpc';
import type { Edit } from './document/labelDocument';
import type { Engines } from './engines/engines';
import type { ImagePlace } from './image/imageFiles';
import { NEEDS_TRUST, OpenImage } from './image/openImage';
import type { Page } from './image/pages';
import type { PersonMasks, SaveConflict } from './image/saving';
import { localCopy } from './localCopy';
import { pageHtml } from './page/html';
import { checked } from './page/messages';
import { UNREADABLE_COMMANDS, UnreadableDocument, unreadableHtml } from './page/unreadable';
import type { Found, UnsavedFolder } from './unsaved/unsavedFolder';
import type { UnsavedWork } from './unsaved/unsavedWork';

export const VIEW_TYPE = 'apMedSam.labelEditor';

/** Context key: the canvas has the keyboard, so plain letters are its. */
const CANVAS_FOCUS = 'apMedSam.canvasFocus';

/** Files change several times while they are written; one look is enough. */
const SETTLE_MS = 100;

export interface ProviderOptions {
  readonly extensionUri: vscode.Uri;
  /** Folder of pictures that pages may load. */
  readonly displayDir: string;
  /** Folder for copies of images that are not on this machine's disk. */
  readonly copiesDir: string;
  readonly engines: Engines;
  /** Told what an engine says of itself, once its models are loaded. */
  readonly onEngine: (info: EngineInfo) => void;
  readonly projects: Projects;
  readonly masks: PersonMasks;
  readonly unsaved: UnsavedFolder;
  /** Runs a button of a page, with the usual treatment of errors. */
  runCommand(command: PageCommand, document: LabelDocumentHandle): Promise<void>;
  readonly log: vscode.LogOutputChannel;
}

/** An open image as VS Code's document. */
export class LabelDocumentHandle extends Owner implements vscode.CustomDocument {
  /**
   * VS Code has another opinion of whether there is unsaved work: it is to be told once the document is known to it.
   */
  isMistaken = false;
  /** VS Code has asked for a backup, so it knows of unsaved work. */
  isBackedUp = false;
  /** What the last save failed with. */
  refusal: unknown;

  constructor(
    readonly uri: vscode.Uri,
    readonly image: OpenImage,
    /** Undefined for what cannot be edited. */
    readonly unsaved: UnsavedWork | undefined,
  ) {
    super();
    this.register(image);
    if (unsaved) this.register({ dispose: () => void unsaved.close() });
  }
}

/** Where a person is: an image, and the class that is worked on where it is open for labelling. */
export interface OpenPlace extends Pick<ImagePlace, 'root' | 'image'> {
  readonly classId: number | undefined;
}

type AnyDocument = LabelDocumentHandle | UnreadableDocument;

export class LabelEditorProvider extends Owner implements vscode.CustomEditorProvider<AnyDocument> {
  /** Edits, and changes that VS Code cannot undo. */
  private readonly edits = this.register(
    new vscode.EventEmitter<
      vscode.CustomDocumentEditEvent<LabelDocumentHandle> | vscode.CustomDocumentContentChangeEvent<LabelDocumentHandle>
    >(),
  );
  readonly onDidChangeCustomDocument = this.edits.event;
  private readonly activity = this.register(new vscode.EventEmitter<LabelDocumentHandle | undefined>());
  /** The document whose editor is active has changed. */
  readonly onDidChangeActive = this.activity.event;
  private readonly documents = new Set<LabelDocumentHandle>();
  private readonly unreadable = new Set<UnreadableDocument>();
  /** The document of the active editor where it is one whose image cannot be shown. */
  activeUnreadable: UnreadableDocument | undefined;
  private readonly panels = new Map<
    vscode.WebviewPanel,
    { readonly document: LabelDocumentHandle; readonly page: Page }
  >();
  private activePanel: vscode.WebviewPanel | undefined;
  /** Panels whose canvas has the keyboard, as their pages tell. */
  private readonly focused = new Set<vscode.WebviewPanel>();
  /** What the context key says. */
  private isFocused = false;

  constructor(private readonly options: ProviderOptions) {
    super();
    this.register(options.projects.onDidChange((root) => this.refresh((image) => image.place.root === root)));
    this.register(vscode.workspace.onDidGrantWorkspaceTrust(() => this.unlock()));
  }

  /** The document of the active label editor. */
  get active(): LabelDocumentHandle | undefined {
    return this.activePanel && this.panels.get(this.activePanel)?.document;
  }

  /** Where the active editor is, whether its image can be shown or not. */
  get activePlace(): OpenPlace | undefined {
    return placeOf(this.active ?? this.activeUnreadable);
  }

  /** Where the open document of a file is. */
  placeOf(uri: vscode.Uri): OpenPlace | undefined {
    return placeOf(this.anyDocumentOf(uri));
  }

  get open(): ReadonlySet<LabelDocumentHandle> {
    return this.documents;
  }

  documentOf(uri: vscode.Uri): LabelDocumentHandle | undefined {
    return [...this.documents].find((document) => document.uri.toString() === uri.toString());
  }

  private anyDocumentOf(uri: vscode.Uri): AnyDocument | undefined {
    return this.documentOf(uri) ?? [...this.unreadable].find((document) => document.uri.toString() === uri.toString());
  }

  /**
   * Opens an image in the label editor, whose page says why where it cannot be shown. Throws UserError where VS Code
   * could not.
   */
  async openAny(uri: vscode.Uri, options: vscode.TextDocumentShowOptions = {}): Promise<AnyDocument> {
    await vscode.commands.executeCommand('vscode.openWith', uri, VIEW_TYPE, { preview: false, ...options });
    const document = this.anyDocumentOf(uri);
    if (!document) throw new UserError(`${uri.fsPath} could not be opened in the label editor.`);
    return document;
  }

  /** Opens an image in the label editor and gives its document. Throws UserError where it cannot be shown. */
  async show(uri: vscode.Uri, options: vscode.TextDocumentShowOptions = {}): Promise<LabelDocumentHandle> {
    const document = await this.openAny(uri, options);
    if (document instanceof UnreadableDocument) throw new UserError(document.problem);
    return document;
  }

  /** Opens an image anew that could not be shown, if it is open. */
  async reopenUnreadable(uri: vscode.Uri): Promise<void> {
    if (this.anyDocumentOf(uri) instanceof UnreadableDocument) await this.openAnew(uri);
  }

  /** What has no unsaved work in its tabs is closed in them and opened again. */
  private async openAnew(uri: vscode.Uri): Promise<void> {
    const tabs = vscode.window.tabGroups.all
      .flatMap((group) => group.tabs)
      .filter(({ input }) => input instanceof vscode.TabInputCustom && input.uri.toString() === uri.toString());
    await vscode.window.tabGroups.close(tabs);
    for (const { group } of tabs) await this.openAny(uri, { viewColumn: group.viewColumn });
  }

  /**
   * Saves as VS Code does, and rejects as the save itself did: on its way through VS Code an error loses what kind it
   * is. Rejects with CancellationError where the person has decided against it.
   */
  async save(document: LabelDocumentHandle): Promise<void> {
    document.refusal = undefined;
    await vscode.workspace.save(document.uri).then(undefined, (error: unknown) => {
      document.refusal ??= error;
    });
    if (document.refusal !== undefined) throw document.refusal;
    if (document.image.document.dirty) throw new vscode.CancellationError();
  }

  /** Sends a key or command to the canvas of the active editor. */
  act(action: CanvasAction): void {
    if (this.activePanel) this.panels.get(this.activePanel)?.page.view.act({ action });
  }

  /** Looks at the masks of open images again, because a run has written some. */
  async masksChanged(images: (image: OpenImage) => boolean): Promise<void> {
    for (const { image } of this.documents) if (images(image)) await image.maskMayHaveChanged();
  }

  async openCustomDocument(uri: vscode.Uri, context: vscode.CustomDocumentOpenContext): Promise<AnyDocument> {
    try {
      return await this.openReadable(uri, context);
    } catch (error) {
      // Without its document VS Code keeps a backup for another day.
      if (!(error instanceof UserError) || context.backupId !== undefined) throw error;
      return this.refuse(uri, error.message);
    }
  }

  private async refuse(uri: vscode.Uri, problem: string): Promise<UnreadableDocument> {
    const root = await this.options.projects.at(uri.fsPath).catch(() => null);
    const place = root && { root, image: relativePath(root.root, uri.fsPath) };
    const document = new UnreadableDocument(uri, problem, place);
    this.unreadable.add(document);
    document.register({ dispose: () => this.unreadable.delete(document) });
    return document;
  }

  private async openReadable(
    uri: vscode.Uri,
    { backupId }: vscode.CustomDocumentOpenContext,
  ): Promise<LabelDocumentHandle> {
    const owner = new Owner();
    const { engines, projects, log } = this.options;
    const { path, locked } = await this.localFile(uri, owner);
    const named = backupId ? vscode.Uri.parse(backupId) : undefined;
    const found = locked === null || named ? await this.options.unsaved.find(uri.toString(), named?.fsPath) : undefined;
    const root = await projects.at(path);
    const engine = engines.of(await root.project());
    const image = relativePath(root.root, path);
    const place = { root, image, path, mask: await root.maskPath(image) };
    let document: LabelDocumentHandle | undefined;
    let unsaved: UnsavedWork | undefined;
    const host = {
      engine,
      onEngine: this.options.onEngine,
      log: (line: string) => log.info(line),
      onEdit: (label: string, edit: Edit) => {
        if (document) this.edits.fire(this.editEvent(document, label, edit));
      },
      onChange: (change: LabelChange | null) => unsaved?.changed(change),
    };
    const opened = await OpenImage.open(place, host, { locked, restored: found?.work });
    const isRestored = opened.document.dirty;
    if (locked === null) unsaved = await this.keep(uri, opened, isRestored ? found : undefined);
    document = new LabelDocumentHandle(uri, opened, unsaved);
    if (opened.howRead !== null) void vscode.window.showInformationMessage(opened.howRead);
    document.register(owner);
    document.isMistaken = isRestored !== (named !== undefined);
    await this.tellOfRestoring(opened, { found, named });
    this.watch(document);
    this.documents.add(document);
    document.register({ dispose: () => this.documents.delete(document) });
    return document;
  }

  async resolveCustomEditor(document: AnyDocument, panel: vscode.WebviewPanel): Promise<void> {
    if (document instanceof UnreadableDocument) this.showProblem(document, panel);
    else this.showDocument(document, panel);
  }

  private showProblem(document: UnreadableDocument, panel: vscode.WebviewPanel): void {
    const { webview } = panel;
    const dist = vscode.Uri.joinPath(this.options.extensionUri, 'dist');
    webview.options = { enableCommandUris: UNREADABLE_COMMANDS, localResourceRoots: [dist] };
    const activate = (active: boolean) => {
      if (active) this.activeUnreadable = document;
      else if (this.activeUnreadable === document) this.activeUnreadable = undefined;
    };
    panel.onDidChangeViewState(() => activate(panel.active));
    panel.onDidDispose(() => activate(false));
    activate(panel.active);
    webview.html = unreadableHtml(document, {
      style: webview.asWebviewUri(vscode.Uri.joinPath(dist, 'webview.css')).toString(),
      cspSource: webview.cspSource,
    });
  }

  private showDocument(document: LabelDocumentHandle, panel: vscode.WebviewPanel): void {
    const { extensionUri, displayDir } = this.options;
    const dist = vscode.Uri.joinPath(extensionUri, 'dist');
    const { webview } = panel;
    webview.options = { enableScripts: true, localResourceRoots: [dist, vscode.Uri.file(displayDir)] };
    const owner = new Owner();
    const peer = connect<ViewApi, EditorApi>(
      {
        post: (message) => void webview.postMessage(message),
        listen: (receive) => owner.register(webview.onDidReceiveMessage(receive)),
      },
      checked(this.handlers(document, panel)),
    );
    const tell =
      <M extends keyof ViewApi>(method: M) =>
      (params: Parameters<ViewApi[M]>[0]) => {
        // A page that is hidden or reloading answers nothing; it asks for everything when it is back.
        peer.call(method, params as never).catch((error: Error) => this.options.log.debug(`page: ${error.message}`));
      };
    const page: Page = {
      view: {
        reset: tell('reset'),
        update: tell('update'),
        showImage: tell('showImage'),
        showFacts: tell('showFacts'),
        act: tell('act'),
        say: tell('say'),
      },
      addressOf: (file) => webview.asWebviewUri(vscode.Uri.file(file)).toString(),
    };
    this.panels.set(panel, { document, page });
    owner.register({ dispose: document.image.connect(page) });
    owner.register(panel.onDidChangeViewState(() => this.activate(panel, panel.active)));
    panel.onDidDispose(() => {
      this.panels.delete(panel);
      this.focused.delete(panel);
      this.activate(panel, false);
      peer.close(new Error('the editor was closed'));
      owner.dispose();
    });
    this.activate(panel, panel.active);
    if (document.isMistaken) this.correct(document);
    webview.html = pageHtml({
      script: webview.asWebviewUri(vscode.Uri.joinPath(dist, 'webview.js')).toString(),
      style: webview.asWebviewUri(vscode.Uri.joinPath(dist, 'webview.css')).toString(),
      cspSource: webview.cspSource,
      nonce: randomBytes(16).toString('base64'),
    });
  }

  async saveCustomDocument(document: LabelDocumentHandle): Promise<void> {
    const { image } = document;
    await this.write(image).catch((error: unknown) => {
      document.refusal = error;
      throw error;
    });
    this.options.projects.changed(image.place.root);
  }

  /** Puts the mask on the disk, or what the person prefers where another one is there. */
  private async write(image: OpenImage): Promise<void> {
    const { masks } = this.options;
    let reload = false;
    await image.save(async () => {
      const saved = await masks.save(image);
      if (!isConflict(saved)) return saved;
      const choice = await this.askAboutConflict(image.place.mask);
      // VS Code keeps the document dirty and says nothing.
      if (choice === 'cancel') throw new vscode.CancellationError();
      reload = choice === 'reload';
      if (reload) return image.maskHash;
      const replaced = await masks.save(image, saved);
      if (!isConflict(replaced)) return replaced;
      throw new UserError(`${image.place.mask} is being changed by another program all the time: nothing was written.`);
    });
    if (reload) await image.revert();
  }

  async saveCustomDocumentAs({ image }: LabelDocumentHandle, destination: vscode.Uri): Promise<void> {
    if (destination.scheme !== 'file') throw new UserError('A mask can only be saved to a file on this machine.');
    await this.options.masks.saveCopy(image, destination.fsPath);
  }

  async revertCustomDocument({ image }: LabelDocumentHandle): Promise<void> {
    await image.revert();
  }

  async backupCustomDocument(document: LabelDocumentHandle): Promise<vscode.CustomDocumentBackup> {
    const { unsaved } = document;
    if (!unsaved) throw new UserError('What cannot be edited has nothing to keep.');
    await unsaved.kept();
    document.isBackedUp = true;
    // The file follows the document and not VS Code, which lets go of an older backup before it has noted the newer
    // one.
    const id = vscode.Uri.file(unsaved.path).with({ fragment: String(Date.now()) });
    return { id: id.toString(), delete: () => undefined };
  }

  /**
   * Of these a person has dropped what was not saved, without VS Code saying so: it did when it asked before it ended.
   */
  override dispose(): void {
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    const isDropped = ({ uri, image, isBackedUp }: LabelDocumentHandle) => {
      const own = tabs.filter(
        ({ input }) => input instanceof vscode.TabInputCustom && input.uri.toString() === uri.toString(),
      );
      return isBackedUp && image.document.dirty && own.length > 0 && !own.some(({ isDirty }) => isDirty);
    };
    this.options.unsaved.end([...this.documents].filter(isDropped).map(({ uri }) => uri.toString()));
    super.dispose();
  }

  private keep(uri: vscode.Uri, image: OpenImage, found: Found | undefined): Promise<UnsavedWork> {
    const source = () => ({ dirty: image.document.dirty, work: image.work });
    return this.options.unsaved.keep(uri.toString(), source, found);
  }

  /** Says what became of unsaved work where VS Code and the files are not of one mind. */
  private async tellOfRestoring(
    { place, document }: OpenImage,
    { found, named }: { found: Found | undefined; named: vscode.Uri | undefined },
  ): Promise<void> {
    const name = basename(place.path);
    const tell = (text: string) => void vscode.window.showWarningMessage(text);
    if (document.dirty) {
      if (!named) tell(`Edits of ${name} that had not been saved when VS Code ended are back.`);
    } else if (found) {
      const { size } = found.work.labels;
      tell(`Unsaved edits of ${name} were not restored: they are of an image of ${describeSize(size)} pixels.`);
    } else if (named) {
      // They were saved if the mask is newer; then VS Code had just not noted it.
      const mask = await stat(place.mask).catch(() => undefined);
      if (mask && mask.mtimeMs > Number(named.fragment || Number.POSITIVE_INFINITY)) return;
      tell(`Unsaved edits of ${name} are lost: their backup is gone or cannot be read. The mask on the disk is shown.`);
    }
  }

  /** VS Code takes a document for changed if, and only if, it has named a backup. */
  private correct(document: LabelDocumentHandle): void {
    document.isMistaken = false;
    if (document.image.document.dirty) this.edits.fire({ document });
    // Nothing is unsaved, so nothing is written.
    else void vscode.workspace.save(document.uri);
  }

  private editEvent(
    document: LabelDocumentHandle,
    label: string,
    edit: Edit,
  ): vscode.CustomDocumentEditEvent<LabelDocumentHandle> {
    const step = (direction: 'undo' | 'redo') => () => {
      if (document.image.document[direction](edit)) return;
      const what = direction === 'undo' ? 'undone' : 'redone';
      document.image.say(`"${label}" can no longer be ${what}: the mask has been replaced since.`);
    };
    return { document, label, undo: step('undo'), redo: step('redo') };
  }

  private handlers(document: LabelDocumentHandle, panel: vscode.WebviewPanel): Handlers<EditorApi> {
    const { image } = document;
    const page = () => this.panels.get(panel)!.page;
    return {
      ready: () => {
        void image.picture.checkTiles();
        return image.stateFor(page());
      },
      paint: (params) => image.paint(page(), params),
      prompt: (params) => image.prompt(params),
      finishPrompts: () => image.finishPrompts(),
      discardPrompts: () => image.discardPrompts(),
      selectClass: ({ classId }) => image.selectClass(classId),
      addClass: async (params) => ({ classId: await image.addClass(params) }),
      setDisplayWindow: ({ window }) => image.picture.show(window ?? undefined),
      run: ({ command }) => this.options.runCommand(command, document),
      setCanvasFocus: ({ focused }) => {
        if (focused) this.focused.add(panel);
        else this.focused.delete(panel);
        this.updateFocusContext();
      },
      log: ({ level, message }) => this.options.log[level](`page: ${message}`),
    };
  }

  private activate(panel: vscode.WebviewPanel, active: boolean): void {
    if (active) this.activePanel = panel;
    else if (this.activePanel === panel) this.activePanel = undefined;
    this.updateFocusContext();
    this.activity.fire(this.active);
  }

  /** A canvas may have the keyboard a moment before VS Code calls its editor the active one, or after. */
  private updateFocusContext(): void {
    const focused = this.activePanel !== undefined && this.focused.has(this.activePanel);
    if (focused === this.isFocused) return;
    this.isFocused = focused;
    void vscode.commands.executeCommand('setContext', CANVAS_FOCUS, focused);
  }

  /** The workspace is trusted now: what was opened before that is opened again, for labelling. */
  private async unlock(): Promise<void> {
    for (const { uri, image } of [...this.documents]) if (image.facts.needsTrust) await this.openAnew(uri);
  }

  private async refresh(which: (image: OpenImage) => boolean): Promise<void> {
    for (const { image } of this.documents) if (which(image)) await image.refreshFacts();
  }

  /** Looks again when image or mask change on disk. */
  private watch(document: LabelDocumentHandle): void {
    const { image } = document;
    const look = (path: string, then: () => Promise<void>) => {
      // The whole folder, filtered: a name may hold what a pattern means otherwise.
      const pattern = new vscode.RelativePattern(vscode.Uri.file(dirname(path)), '*');
      const watcher = document.register(vscode.workspace.createFileSystemWatcher(pattern));
      let settle: NodeJS.Timeout | undefined;
      const seen = (uri: vscode.Uri) => {
        if (uri.fsPath !== path) return;
        clearTimeout(settle);
        settle = setTimeout(() => {
          if (!document.disposed) then().catch((error: unknown) => this.options.log.error(String(error)));
        }, SETTLE_MS);
      };
      watcher.onDidChange(seen);
      watcher.onDidCreate(seen);
      watcher.onDidDelete(seen);
      document.register({ dispose: () => clearTimeout(settle) });
    };
    look(image.place.mask, () => image.maskMayHaveChanged());
    look(image.place.path, () => image.imageMayHaveChanged());
  }

  private async askAboutConflict(mask: string): Promise<'overwrite' | 'reload' | 'cancel'> {
    const overwrite = 'Overwrite';
    const reload = 'Reload from Disk';
    const choice = await vscode.window.showWarningMessage(
      `${mask} has changed on disk since it was opened.`,
      { modal: true, detail: 'Overwrite it with your edits, or drop your edits and reload it?' },
      overwrite,
      reload,
    );
    return choice === overwrite ? 'overwrite' : choice === reload ? 'reload' : 'cancel';
  }

  /** The image as a file on this machine, and why it cannot be labelled there, if so. */
  private async localFile(uri: vscode.Uri, owner: Owner): Promise<{ path: string; locked: string | null }> {
    if (!vscode.workspace.isTrusted) {
      return { path: uri.fsPath, locked: NEEDS_TRUST };
    }
    if (uri.scheme === 'file') return { path: uri.fsPath, locked: null };
    const path = await localCopy(uri, this.options.copiesDir, owner);
    return {
      path,
      locked: `${uri.scheme}: images can be looked at, not labelled: they are not files on this machine.`,
    };
  }
}

function placeOf(document: AnyDocument | undefined): OpenPlace | undefined {
  if (document instanceof UnreadableDocument)
    return document.place ? { ...document.place, classId: undefined } : undefined;
  return (
    document && {
      root: document.image.place.root,
      image: document.image.place.image,
      classId: document.image.selectedClass,
    }
  );
}

const isConflict = (saved: string | null | SaveConflict): saved is SaveConflict =>
  typeof saved === 'object' && saved !== null;
