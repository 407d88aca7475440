/** Opens an image as a document: its file, its project, what the disk has of its mask, and what was left unsaved. */
import { basename } from 'node:path';
import type * as vscode from 'vscode';
import type { LabelChange } from '../core/drawing/labelChange';
import { UserError } from '../core/userError';
import { relativePath } from '../dataset/files/folder';
import type { ProjectRoot } from '../dataset/projectRoot';
import { Owner } from '../dispose';
import type { EngineInfo } from '../protocol/engineApi';
import type { Edit } from './document/labelDocument';
import type { Engines } from './engines/engines';
import { OpenImage } from './image/openImage';
import { type AnyDocument, LabelDocumentHandle, UnreadableDocument } from './openDocuments';
import { type NamedBackup, whatBecame } from './unsaved/restoring';
import type { Found, UnsavedFolder } from './unsaved/unsavedFolder';
import type { UnsavedWork } from './unsaved/unsavedWork';

/** An image as a file on this machine. */
export interface LocalFile {
  /** Absolute path. */
  readonly path: string;
  /** Why it cannot be labelled there, or null. */
  readonly locked: string | null;
}

interface OpeningOptions {
  readonly engines: Pick<Engines, 'of'>;
  readonly projects: { at(path: string): Promise<ProjectRoot> };
  readonly unsaved: UnsavedFolder;
  /** What is made for the file goes with `owner`. Rejects as reading the URI does. */
  localFile(uri: vscode.Uri, owner: Owner): Promise<LocalFile>;
  /** Told what an engine says of itself, once its models are loaded. */
  onEngine(info: EngineInfo): void;
  /** Reports an edit for the undo stack. */
  onEdit(document: LabelDocumentHandle, edit: Edit): void;
  /** Tells the person something. */
  inform(text: string): void;
  /** Tells the person something to worry about. */
  warn(text: string): void;
  log(line: string): void;
}

export class Opening {
  constructor(private readonly options: OpeningOptions) {}

  /**
   * Opens an image, or what says why it cannot be shown. Rejects with UserError where VS Code names a backup of it:
   * without its document VS Code keeps that for another day.
   */
  async open(uri: vscode.Uri, named?: NamedBackup): Promise<AnyDocument> {
    try {
      return await this.openReadable(uri, named);
    } catch (error) {
      if (!(error instanceof UserError) || named) throw error;
      const root = await this.options.projects.at(uri.fsPath).catch(() => null);
      const place = root && { root, image: relativePath(root.root, uri.fsPath) };
      return new UnreadableDocument(uri, error.message, place);
    }
  }

  private async openReadable(uri: vscode.Uri, named: NamedBackup | undefined): Promise<LabelDocumentHandle> {
    const owner = new Owner();
    const { engines, projects, unsaved: folder, inform, warn } = this.options;
    const { path, locked } = await this.options.localFile(uri, owner);
    const found = locked === null || named ? await folder.find(uri.toString(), named?.path) : undefined;
    const root = await projects.at(path);
    const engine = engines.of(await root.project());
    const image = relativePath(root.root, path);
    const place = { root, image, path, mask: await root.maskPath(image) };
    let document: LabelDocumentHandle | undefined;
    let unsaved: UnsavedWork | undefined;
    const host = {
      engine,
      onEngine: (info: EngineInfo) => this.options.onEngine(info),
      log: (line: string) => this.options.log(line),
      onEdit: (edit: Edit) => {
        if (document) this.options.onEdit(document, edit);
      },
      onChange: (change: LabelChange | null) => unsaved?.changed(change),
    };
    const opened = await OpenImage.open(place, host, { locked, restored: found?.work });
    const isRestored = opened.document.dirty;
    if (locked === null) unsaved = await this.keep(uri, opened, isRestored ? found : undefined);
    document = new LabelDocumentHandle(uri, opened, unsaved, isRestored !== (named !== undefined));
    document.register(owner);
    if (opened.howRead !== null) inform(opened.howRead);
    const remark = await whatBecame({ name: basename(path), mask: place.mask, isRestored, found, named });
    if (remark !== undefined) warn(remark);
    return document;
  }

  private keep(uri: vscode.Uri, image: OpenImage, found: Found | undefined): Promise<UnsavedWork> {
    const source = () => ({ dirty: image.document.dirty, work: image.work });
    return this.options.unsaved.keep(uri.toString(), source, found);
  }
}
