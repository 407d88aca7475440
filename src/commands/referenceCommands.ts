/** References: from the open mask, from files, removed, cleared. */
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { Outcome } from '../core/userError';
import { relativePath } from '../dataset/files/folder';
import { masksBeside } from '../dataset/files/maskNames';
import { DEFAULT_CLASS } from '../dataset/project/classes';
import type { NewReference } from '../dataset/project/references';
import type { ProjectRoot } from '../dataset/projectRoot';
import type { Engines } from '../editor/engines/engines';
import type { LabelDocumentHandle } from '../editor/openDocuments';
import type { LabelEditorProvider } from '../editor/provider';
import { MASK_SUFFIXES, READ_SUFFIXES } from '../formats/imageFormat';
import type { Projects } from '../projects';

const IMAGES = { Images: [...READ_SUFFIXES] };

/** What a mask file may be called. */
export const MASKS = { Masks: [...MASK_SUFFIXES] };

export interface ReferenceContext {
  readonly projects: Projects;
  readonly engines: Engines;
  readonly provider: LabelEditorProvider;
}

/** Makes the image and its mask in the editor a reference of the selected class; unsaved edits are saved first. */
export async function useDocumentAsReference(context: ReferenceContext, document: LabelDocumentHandle): Promise<void> {
  const { image } = document;
  if (image.readOnly !== null) throw new Outcome(image.readOnly);
  const { place, selectedClass } = image;
  if (!image.document.labels.data.includes(selectedClass)) {
    throw new Outcome(`Nothing is marked in ${place.path} yet: mark the object first.`);
  }
  image.finishPrompts();
  if (image.document.dirty || image.maskHash === null) await context.provider.save(document);
  const chosen = image.classes.find(({ id }) => id === selectedClass)!;
  await place.root.ensureClasses(image.classes);
  await store(context, place.root, { classId: chosen.id, image: place.path, mask: place.mask });
  await image.refreshFacts();
  image.say(`Reference of class "${chosen.name}": now segment other images, or the whole folder.`);
}

/** Makes an image of the Explorer a reference with the mask that it has on disk. */
export async function useFileAsReference(context: ReferenceContext, uri: vscode.Uri): Promise<void> {
  const root = await context.projects.at(uri.fsPath);
  const own = await root.maskPath(relativePath(root.root, uri.fsPath));
  const mask = (await isThere(own)) ? own : await maskBeside(uri.fsPath, own);
  said(uri.fsPath, await store(context, root, { classId: await onlyClass(root), image: uri.fsPath, mask }));
}

/**
 * A file beside an image without a mask that looks like its mask, where the person says that it is; else its own place.
 */
async function maskBeside(image: string, own: string): Promise<string> {
  const [found] = await masksBeside(image);
  if (found === undefined) return own;
  const use = 'Use as Mask';
  const choice = await vscode.window.showInformationMessage(
    `${basename(image)} has no mask yet. Is ${basename(found)} beside it its mask?`,
    { modal: true },
    use,
  );
  if (choice !== use) throw new vscode.CancellationError();
  return found;
}

/** Asks for an image and its mask, wherever they are. */
export async function setReferenceFromFiles(context: ReferenceContext, folder: vscode.Uri | undefined): Promise<void> {
  const { projects } = context;
  const root = await projects.at((folder ?? (await askForRoot(projects))).fsPath);
  const [image] = await openFile('Reference image', root.root, IMAGES);
  const [likely = dirname(image.fsPath)] = await masksBeside(image.fsPath);
  const [mask] = await openFile(`Mask of ${basename(image.fsPath)}`, likely, MASKS);
  const reference = { classId: await askForClass(root), image: image.fsPath, mask: mask.fsPath };
  said(image.fsPath, await store(context, root, reference));
}

/** Says how the mask was read, where that is worth a word. */
async function store(
  { projects, engines }: ReferenceContext,
  root: ProjectRoot,
  reference: NewReference,
): Promise<readonly string[]> {
  const engine = engines.of(await root.project());
  const notes = await root.setReference(reference, engine);
  projects.changed(root);
  return notes;
}

/** Removes all references of a root, once the person has confirmed; images and masks stay. */
export async function clearReferences(projects: Projects): Promise<void> {
  const root = await projects.at((await askForRoot(projects)).fsPath);
  const { references } = await root.project();
  if (references.length === 0) throw new Outcome(`${root.root} has no reference.`);
  const clear = 'Clear';
  const choice = await vscode.window.showWarningMessage(
    `Remove ${references.length === 1 ? 'the reference' : `all ${references.length} references`} of ${root.root}?`,
    { modal: true, detail: 'Images and masks stay as they are.' },
    clear,
  );
  if (choice !== clear) throw new vscode.CancellationError();
  for (const reference of references) await root.removeReference(reference);
  projects.changed(root);
}

function said(image: string, notes: readonly string[]): void {
  const howRead = notes.map((note) => ` ${note}.`).join('');
  void vscode.window.showInformationMessage(`${basename(image)} is a reference now.${howRead}`);
}

async function openFile(
  title: string,
  folder: string,
  filters: Record<string, string[]>,
): Promise<readonly vscode.Uri[]> {
  const chosen = await vscode.window.showOpenDialog({
    title,
    openLabel: 'Choose',
    defaultUri: vscode.Uri.file(folder),
    filters,
  });
  if (!chosen) throw new vscode.CancellationError();
  return chosen;
}

/** The only root in use or folder of the workspace, or the one that the person chooses. */
async function askForRoot(projects: Projects): Promise<vscode.Uri> {
  const roots = (await projects.discovered()).map(({ root }) => root);
  const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
  const known = [...new Set([...roots, ...folders])];
  if (known.length === 1) return vscode.Uri.file(known[0]);
  if (known.length === 0) {
    const openFolder = { label: 'Open Folder...', take: () => vscode.commands.executeCommand('vscode.openFolder') };
    throw new Outcome('Open a folder with images first.', [openFolder]);
  }
  const picked = await vscode.window.showQuickPick(
    known.map((path) => ({ label: basename(path), description: path, path })),
    { title: 'For which folder?' },
  );
  if (!picked) throw new vscode.CancellationError();
  return vscode.Uri.file(picked.path);
}

/** Id of the only class of the project, made where there is none; asks where there are several. */
async function onlyClass(root: ProjectRoot): Promise<number> {
  const { classes } = await root.project();
  if (classes.length > 1) return askForClass(root);
  await root.ensureClasses([DEFAULT_CLASS]);
  return classes[0]?.id ?? DEFAULT_CLASS.id;
}

/** Id of a class of the project that the person chooses, or of a new one by name. */
async function askForClass(root: ProjectRoot): Promise<number> {
  const { classes } = await root.project();
  if (classes.length > 0) {
    const items = classes.map(({ name, id }) => ({ label: name, description: `class ${id}`, id }));
    const other = { label: 'New Class...', description: '', id: undefined };
    const picked = await vscode.window.showQuickPick([...items, other], { title: 'Class of the reference' });
    if (!picked) throw new vscode.CancellationError();
    if (picked.id !== undefined) return picked.id;
  }
  const name = await vscode.window.showInputBox({
    title: 'Class of the reference',
    prompt: 'What is marked in it',
    value: classes.length === 0 ? DEFAULT_CLASS.name : '',
    validateInput: (text) => (text.trim() === '' ? 'A class needs a name.' : undefined),
  });
  if (name === undefined) throw new vscode.CancellationError();
  return root.addClass({ name: name.trim() });
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
