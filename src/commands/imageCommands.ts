/** Commands on images: of a file, of the document of the active editor, or of what was chosen in a list. */
import { basename, dirname, extname, join } from 'node:path';
import * as vscode from 'vscode';
import { Outcome } from '../core/userError';
import type { PersonMasks } from '../editor/image/saving';
import type { LabelDocumentHandle, OpenPlace } from '../editor/openDocuments';
import type { LabelEditorProvider } from '../editor/provider';
import { READ_SUFFIXES } from '../formats/imageFormat';
import type { FailedNode, ImageNode } from '../views/reviewItems';
import { signalOf } from './failable';
import { requireModels } from './modelActions';
import { MASKS, type ReferenceContext, useDocumentAsReference, useFileAsReference } from './referenceCommands';
import { type FolderContext, segmentFolder } from './segmentFolder';

/** Opens images in the label editor, or what is open in another editor. */
export async function openInEditor(provider: LabelEditorProvider, uris: readonly vscode.Uri[]): Promise<void> {
  for (const uri of uris) await provider.openAny(uri);
  if (uris.length === 0) await documentFor(provider, undefined);
}

/** Segments one image as an edit, several as a folder. */
export async function segmentImages(context: FolderContext, uri?: vscode.Uri, uris?: vscode.Uri[]): Promise<void> {
  if (uris && uris.length > 1) return segmentFolder(context, uris);
  const { image } = await documentFor(context.provider, uri);
  await requireModels(context.models, await image.place.root.project());
  const options = { location: vscode.ProgressLocation.Window, title: 'Segmenting', cancellable: true };
  await vscode.window.withProgress(options, (_, token) => image.segment(signalOf(token)));
}

/** @param of a file, or a row that has one */
export async function makeReference(
  context: ReferenceContext,
  of: vscode.Uri | { readonly uri: vscode.Uri } | undefined,
): Promise<void> {
  const file = of instanceof vscode.Uri ? of : of?.uri;
  const document = file ? context.provider.documentOf(file) : await documentFor(context.provider, undefined);
  if (document) await useDocumentAsReference(context, document);
  else await useFileAsReference(context, file!);
}

/** Unsaved edits are saved first. */
export async function acceptMask(
  { provider, projects, masks }: ReferenceContext & { readonly masks: PersonMasks },
  uri: vscode.Uri | undefined,
): Promise<void> {
  const document = await documentFor(provider, uri);
  const { image } = document;
  if (image.readOnly !== null) throw new Outcome(image.readOnly);
  image.finishPrompts();
  if (image.document.dirty) await provider.save(document);
  await masks.accept(image);
  projects.changed(image.place.root);
  await image.refreshFacts();
  image.say('Accepted');
}

export async function loadMask(provider: LabelEditorProvider, uri: vscode.Uri | undefined): Promise<void> {
  const { image } = await documentFor(provider, uri);
  const picked = await vscode.window.showOpenDialog({
    title: `Mask for ${basename(image.place.path)}`,
    openLabel: 'Load',
    defaultUri: vscode.Uri.file(dirname(image.place.mask)),
    filters: MASKS,
  });
  if (picked) await image.loadMask(picked[0].fsPath);
}

export async function saveMaskAs(
  { provider, masks }: { readonly provider: LabelEditorProvider; readonly masks: PersonMasks },
  uri: vscode.Uri | undefined,
): Promise<void> {
  const { image } = await documentFor(provider, uri);
  const { path } = image.place;
  // Never the image's own name: one careless Enter would cost the image.
  const name = `${basename(path, extname(path))}_mask.png`;
  const target = await vscode.window.showSaveDialog({
    title: 'Save Mask As',
    defaultUri: vscode.Uri.file(join(dirname(path), name)),
    filters: { Masks: ['png'] },
  });
  if (target) await masks.saveCopy(image, target.fsPath);
}

/** Segments images that failed once more, as the next run would; one that could not be opened is opened anew. */
export async function tryAgain(
  context: FolderContext,
  failed: ImageNode | FailedNode | { readonly uri: vscode.Uri } | undefined,
): Promise<void> {
  if (!failed) throw new Outcome('Choose failed images in the Review view.');
  const { projects, provider } = context;
  const uris = 'failed' in failed ? failed.failed.map(({ uri }) => uri) : [failed.uri];
  const root = await projects.at(uris[0].fsPath);
  if ((await root.project()).references.length > 0) await segmentFolder(context, uris);
  for (const uri of uris) await provider.reopenUnreadable(uri);
}

/** Where the open document of a file is, or the active editor, whether its image can be shown or not. */
export async function placeFor(provider: LabelEditorProvider, uri: vscode.Uri | undefined): Promise<OpenPlace> {
  const open = uri instanceof vscode.Uri ? provider.placeOf(uri) : provider.activePlace;
  if (open) return open;
  const { image } = await documentFor(provider, uri);
  return { root: image.place.root, image: image.place.image, classId: image.selectedClass };
}

/** The document of a file, or of the active editor. */
async function documentFor(provider: LabelEditorProvider, uri: vscode.Uri | undefined): Promise<LabelDocumentHandle> {
  if (uri instanceof vscode.Uri) return provider.documentOf(uri) ?? (await provider.show(uri));
  const document = provider.active ?? (await activeImage(provider));
  if (!document) throw new Outcome('Open an image in the label editor first: right-click it in the Explorer.');
  return document;
}

/** The image that is active in another editor, opened in the label editor. */
async function activeImage(provider: LabelEditorProvider): Promise<LabelDocumentHandle | undefined> {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const uri = input instanceof vscode.TabInputCustom || input instanceof vscode.TabInputText ? input.uri : undefined;
  return uri && READ_SUFFIXES.includes(extname(uri.path).slice(1).toLowerCase()) ? provider.show(uri) : undefined;
}
