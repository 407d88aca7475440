/** The label editor in VS Code: translates between the custom editor contract and open images, and decides nothing. */
import * as vscode from 'vscode';
import { UserError } from '../core/userError';
import { Owner } from '../dispose';
import type { Projects } from '../projects';
import { CANVAS_FOCUS, type CanvasAction, EDITOR_TYPE } from '../protocol/contributions';
import type { EngineInfo } from '../protocol/engineApi';
import { ActiveEditor } from './activeEditor';
import type { Edit } from './document/labelDocument';
import type { Engines } from './engines/engines';
import { watchFile } from './fileWatch';
import type { OpenImage } from './image/openImage';
import type { ConflictChoice, PersonMasks } from './image/saving';
import { LabelPanel, type LabelPanelOptions, labelPage } from './labelPanel';
import { localFile } from './localFile';
import {
  type AnyDocument,
  type LabelDocumentHandle,
  OpenDocuments,
  type OpenPlace,
  placeOf,
  UnreadableDocument,
} from './openDocuments';
import { Opening } from './opening';
import { UNREADABLE_COMMANDS, unreadableHtml } from './page/unreadable';
import type { UnsavedFolder } from './unsaved/unsavedFolder';

interface ProviderOptions extends Omit<LabelPanelOptions, 'active'> {
  /** Folder for copies of images that are not on this machine's disk. */
  readonly copiesDir: string;
  readonly engines: Engines;
  /** Told what an engine says of itself, once its models are loaded. */
  readonly onEngine: (info: EngineInfo) => void;
  readonly projects: Projects;
  readonly masks: PersonMasks;
  readonly unsaved: UnsavedFolder;
}

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
  private readonly documents = new OpenDocuments();
  private readonly opening: Opening;
  private readonly panels = new ActiveEditor<LabelPanel>({
    onActive: () => this.activity.fire(this.active),
    onFocus: (focused) => void vscode.commands.executeCommand('setContext', CANVAS_FOCUS, focused),
  });
  /** The document of the active editor where it is one whose image cannot be shown. */
  activeUnreadable: UnreadableDocument | undefined;

  constructor(private readonly options: ProviderOptions) {
    super();
    const { engines, projects, unsaved, copiesDir, log } = options;
    this.opening = new Opening({
      engines,
      projects,
      unsaved,
      localFile: (uri, owner) => localFile(uri, copiesDir, owner),
      onEngine: options.onEngine,
      onEdit: (document, edit) => this.edits.fire(editEvent(document, edit)),
      inform: (text) => void vscode.window.showInformationMessage(text),
      warn: (text) => void vscode.window.showWarningMessage(text),
      log: (line) => log.info(line),
    });
    this.register(projects.onDidChange((root) => this.refresh((image) => image.place.root === root)));
    this.register(vscode.workspace.onDidGrantWorkspaceTrust(() => this.unlock()));
  }

  /** The document of the active label editor. */
  get active(): LabelDocumentHandle | undefined {
    return this.panels.current?.document;
  }

  /** Where the active editor is, whether its image can be shown or not. */
  get activePlace(): OpenPlace | undefined {
    return placeOf(this.active ?? this.activeUnreadable);
  }

  /** Where the open document of a file is. */
  placeOf(uri: vscode.Uri): OpenPlace | undefined {
    return placeOf(this.documents.of(uri));
  }

  documentOf(uri: vscode.Uri): LabelDocumentHandle | undefined {
    return this.documents.readableOf(uri);
  }

  /**
   * Opens an image in the label editor, whose page says why where it cannot be shown. Throws UserError where VS Code
   * could not.
   */
  async openAny(uri: vscode.Uri, options: vscode.TextDocumentShowOptions = {}): Promise<AnyDocument> {
    await vscode.commands.executeCommand('vscode.openWith', uri, EDITOR_TYPE, { preview: false, ...options });
    const document = this.documents.of(uri);
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
    if (this.documents.of(uri) instanceof UnreadableDocument) await this.openAnew(uri);
  }

  /** What has no unsaved work in its tabs is closed in them and opened again. */
  private async openAnew(uri: vscode.Uri): Promise<void> {
    const tabs = tabsOf(uri);
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
    this.panels.current?.page.view.act({ action });
  }

  /** Looks at the masks of open images again, because a run has written some. */
  async masksChanged(images: (image: OpenImage) => boolean): Promise<void> {
    for (const { image } of this.documents.readable) if (images(image)) await image.maskMayHaveChanged();
  }

  async openCustomDocument(uri: vscode.Uri, { backupId }: vscode.CustomDocumentOpenContext): Promise<AnyDocument> {
    const document = await this.opening.open(uri, backupId === undefined ? undefined : backupOf(backupId));
    if (!(document instanceof UnreadableDocument)) this.watch(document);
    return this.documents.add(document);
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
    new LabelPanel(document, panel, { ...this.options, active: this.panels });
    if (document.isMistaken) this.correct(document);
    panel.webview.html = labelPage(panel.webview, this.options.extensionUri);
  }

  async saveCustomDocument(document: LabelDocumentHandle): Promise<void> {
    const { image } = document;
    await this.options.masks.save(image, askAboutConflict).catch((error: unknown) => {
      document.refusal = error;
      throw error;
    });
    this.options.projects.changed(image.place.root);
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

  override dispose(): void {
    this.options.unsaved.end(this.documents.dropped(tabsOf).map(({ uri }) => uri.toString()));
    super.dispose();
  }

  /** VS Code takes a document for changed if, and only if, it has named a backup. */
  private correct(document: LabelDocumentHandle): void {
    document.isMistaken = false;
    if (document.image.document.dirty) this.edits.fire({ document });
    // Nothing is unsaved, so nothing is written.
    else void vscode.workspace.save(document.uri);
  }

  /** The workspace is trusted now: what was opened before that is opened again, for labelling. */
  private async unlock(): Promise<void> {
    for (const { uri, image } of this.documents.readable) if (image.facts.needsTrust) await this.openAnew(uri);
  }

  private async refresh(which: (image: OpenImage) => boolean): Promise<void> {
    for (const { image } of this.documents.readable) if (which(image)) await image.refreshFacts();
  }

  /** Looks again when image or mask change on disk. */
  private watch(document: LabelDocumentHandle): void {
    const { image } = document;
    const logged = (look: Promise<void>) => look.catch((error: unknown) => this.options.log.error(String(error)));
    document.register(watchFile(image.place.mask, () => logged(image.maskMayHaveChanged())));
    document.register(watchFile(image.place.path, () => logged(image.imageMayHaveChanged())));
  }
}

/** Label editors of a file. */
const tabsOf = (uri: vscode.Uri): vscode.Tab[] =>
  vscode.window.tabGroups.all
    .flatMap((group) => group.tabs)
    .filter(({ input }) => input instanceof vscode.TabInputCustom && input.uri.toString() === uri.toString());

/** The file of a backup, and when it was made, as `backupCustomDocument` names it. */
function backupOf(backupId: string) {
  const { fsPath, fragment } = vscode.Uri.parse(backupId);
  return { path: fsPath, madeAt: fragment === '' ? undefined : Number(fragment) };
}

const editEvent = (document: LabelDocumentHandle, edit: Edit): vscode.CustomDocumentEditEvent<LabelDocumentHandle> => ({
  document,
  label: edit.label,
  undo: () => document.image.step('undo', edit),
  redo: () => document.image.step('redo', edit),
});

/** Rejects with CancellationError where the person wants neither: VS Code keeps the document dirty and says nothing. */
async function askAboutConflict(mask: string): Promise<ConflictChoice> {
  const overwrite = 'Overwrite';
  const reload = 'Reload from Disk';
  const choice = await vscode.window.showWarningMessage(
    `${mask} has changed on disk since it was opened.`,
    { modal: true, detail: 'Overwrite it with your edits, or drop your edits and reload it?' },
    overwrite,
    reload,
  );
  if (choice === undefined) throw new vscode.CancellationError();
  return choice === overwrite ? 'overwrite' : 'reload';
}
