/** Every command of the extension: id -> function, behind one wrapper that shows errors. */
import { basename, dirname, extname, join } from 'node:path';
import * as vscode from 'vscode';
import { Outcome } from '../core/userError';
import type { PersonMasks } from '../editor/image/saving';
import type { LabelDocumentHandle, OpenPlace } from '../editor/openDocuments';
import type { LabelEditorProvider } from '../editor/provider';
import { READ_SUFFIXES } from '../formats/imageFormat';
import type { CanvasAction, PageCommand } from '../protocol/editorApi';
import type { ModelNode } from '../views/modelTree';
import type { ReferenceNode } from '../views/referenceTree';
import type { FailedNode, ImageNode, ReviewView } from '../views/reviewTree';
import { failable, signalOf } from './failable';
import { importModel } from './importModel';
import {
  cancelDownload,
  downloadModel,
  importModelFiles,
  type ModelContext,
  removeModel,
  requireModels,
  useModelByDefault,
  verifyModels,
} from './modelActions';
import {
  clearReferences,
  MASKS,
  type ReferenceContext,
  setReferenceFromFiles,
  useDocumentAsReference,
  useFileAsReference,
} from './referenceCommands';
import { openSamples } from './samples';
import { type FolderContext, segmentFolder } from './segmentFolder';
import { type DeviceContext, installCudaSupport, removeCudaSupport, selectDevice } from './selectDevice';

export interface CommandServices extends FolderContext, ReferenceContext, DeviceContext {
  readonly masks: PersonMasks;
  readonly review: ReviewView;
  readonly models: ModelContext;
  readonly samplesDir: string;
}

/** Keys and commands that are meant for the canvas. */
const CANVAS_ACTIONS: readonly CanvasAction[] = [
  'pan',
  'positive',
  'negative',
  'box',
  'brush',
  'eraser',
  'polygon',
  'fill',
  'finish',
  'cancel',
  'deletePoint',
  'brushSmaller',
  'brushLarger',
  'zoomIn',
  'zoomOut',
  'zoomFit',
  'zoomActual',
  'toggleMask',
  'togglePrompts',
  'toggleHeatMap',
  'clearClass',
];

/** VS Code's editor of whom one trusts. */
const MANAGE_TRUST = 'workbench.trust.manage';

/** Buttons of VS Code itself that pages offer. */
const WORKBENCH_COMMANDS: Partial<Record<PageCommand, string>> = {
  undo: 'undo',
  redo: 'redo',
  save: 'workbench.action.files.save',
  manageTrust: MANAGE_TRUST,
};

/** @param needTrust ids of the commands that do nothing in Restricted Mode, where links and keys still reach them */
export function registerCommands(services: CommandServices, needTrust: ReadonlySet<string>): vscode.Disposable {
  const table = commandTable(services);
  const run = (id: string, command: (...parameters: unknown[]) => unknown, parameters: unknown[]) => {
    if (needTrust.has(id) && !vscode.workspace.isTrusted) throw restricted();
    return command(...parameters);
  };
  return vscode.Disposable.from(
    ...Object.entries(table).map(([name, command]) =>
      vscode.commands.registerCommand(`apMedSam.${name}`, (...parameters: unknown[]) =>
        failable(services.log, () => run(`apMedSam.${name}`, command, parameters)),
      ),
    ),
  );
}

const restricted = (): Outcome =>
  new Outcome('Trust this workspace to do that: in Restricted Mode images and masks can only be looked at.', [
    { label: 'Manage Workspace Trust', take: () => vscode.commands.executeCommand(MANAGE_TRUST) },
  ]);

/** What a button of a page does to the document that it shows. */
export function pageCommand(
  services: CommandServices,
  command: PageCommand,
  document: LabelDocumentHandle,
): Promise<void> {
  return failable(services.log, async () => {
    const own = WORKBENCH_COMMANDS[command];
    if (own !== undefined) await vscode.commands.executeCommand(own);
    else await vscode.commands.executeCommand(`apMedSam.${command}`, document.uri);
  });
}

type Command = (...parameters: never[]) => unknown;

function commandTable(services: CommandServices): Record<string, (...parameters: unknown[]) => unknown> {
  const { provider, projects, review, models, log } = services;

  /** The document of a file, or of the active editor. */
  const documentFor = async (uri: vscode.Uri | undefined): Promise<LabelDocumentHandle> => {
    if (uri instanceof vscode.Uri) return provider.documentOf(uri) ?? (await provider.show(uri));
    const document = provider.active ?? (await activeImage(provider));
    if (!document) throw new Outcome('Open an image in the label editor first: right-click it in the Explorer.');
    return document;
  };

  /** Where the open document of a file is, or the active editor, whether its image can be shown or not. */
  const placeFor = async (uri: vscode.Uri | undefined): Promise<OpenPlace> => {
    const open = uri instanceof vscode.Uri ? provider.placeOf(uri) : provider.activePlace;
    if (open) return open;
    const { image } = await documentFor(uri);
    return { root: image.place.root, image: image.place.image, classId: image.selectedClass };
  };

  const table: Record<string, Command> = {
    openEditor: async (uri?: vscode.Uri, uris?: vscode.Uri[]) => {
      for (const one of chosen(uri, uris)) await provider.openAny(one);
      if (chosen(uri, uris).length === 0) await documentFor(undefined);
    },
    segmentImage: async (uri?: vscode.Uri, uris?: vscode.Uri[]) => {
      if (uris && uris.length > 1) return segmentFolder(services, uris);
      const document = await documentFor(uri);
      await requireModels(models, await document.image.place.root.project());
      const options = { location: vscode.ProgressLocation.Window, title: 'Segmenting', cancellable: true };
      await vscode.window.withProgress(options, (_, token) => document.image.segment(signalOf(token)));
    },
    segmentFolder: (uri?: vscode.Uri, uris?: vscode.Uri[]) => segmentFolder(services, chosen(uri, uris)),
    useAsReference: async (uri?: vscode.Uri | { readonly uri: vscode.Uri }) => {
      const file = uri instanceof vscode.Uri ? uri : uri?.uri;
      const document = file ? provider.documentOf(file) : await documentFor(undefined);
      if (document) await useDocumentAsReference(services, document);
      else await useFileAsReference(services, file!);
    },
    setReferenceFromFiles: (folder?: vscode.Uri) =>
      setReferenceFromFiles(services, folder instanceof vscode.Uri ? folder : undefined),
    clearReferences: () => clearReferences(projects),
    removeReference: async ({ root, reference }: ReferenceNode) => {
      await root.removeReference(reference.reference);
      projects.changed(root);
    },
    reviewNext: () => review.openNext(provider.activePlace),
    nextImage: async (uri?: vscode.Uri) => review.openNeighbour(await placeFor(uri), 1),
    previousImage: async (uri?: vscode.Uri) => review.openNeighbour(await placeFor(uri), -1),
    tryAgain: (failed?: ImageNode | FailedNode) => tryAgain(services, failed ?? provider.activeUnreadable),
    acceptMask: async (uri?: vscode.Uri) => {
      const document = await documentFor(uri);
      const { image } = document;
      if (image.readOnly !== null) throw new Outcome(image.readOnly);
      image.finishPrompts();
      if (image.document.dirty) await provider.save(document);
      await services.masks.accept(image);
      projects.changed(image.place.root);
      await image.refreshFacts();
      image.say('Accepted');
    },
    loadMask: async (uri?: vscode.Uri) => {
      const { image } = await documentFor(uri);
      const picked = await vscode.window.showOpenDialog({
        title: `Mask for ${basename(image.place.path)}`,
        openLabel: 'Load',
        defaultUri: vscode.Uri.file(dirname(image.place.mask)),
        filters: MASKS,
      });
      if (picked) await image.loadMask(picked[0].fsPath);
    },
    saveMaskAs: async (uri?: vscode.Uri) => {
      const { image } = await documentFor(uri);
      const { path } = image.place;
      // Never the image's own name: one careless Enter would cost the image.
      const name = `${basename(path, extname(path))}_mask.png`;
      const target = await vscode.window.showSaveDialog({
        title: 'Save Mask As',
        defaultUri: vscode.Uri.file(join(dirname(path), name)),
        filters: { Masks: ['png'] },
      });
      if (target) await services.masks.saveCopy(image, target.fsPath);
    },
    manageModels: () => vscode.commands.executeCommand('apMedSam.models.focus'),
    verifyModels: () => verifyModels(models),
    verifyModel: (node: ModelNode) => verifyModels(models, node),
    downloadModel: (node?: ModelNode) => downloadModel(models, node),
    cancelDownload: (node: ModelNode) => cancelDownload(models, node),
    removeModel: (node?: ModelNode) => removeModel(models, node),
    importModelFiles: (node: ModelNode) => importModelFiles(models, node),
    useModelByDefault: (node: ModelNode) => useModelByDefault(models, node),
    importModel: () => importModel(models),
    selectDevice: () => selectDevice(services),
    installCuda: () => installCudaSupport(services),
    removeCuda: () => removeCudaSupport(services),
    showLog: () => log.show(),
    openSamples: () => openSamples(services.samplesDir),
    sortReview: () => review.askForOrder(),
    refreshReview: () => review.refresh(),
    ...Object.fromEntries(CANVAS_ACTIONS.map((action) => [`canvas.${action}`, () => provider.act(action)])),
  };
  return table as Record<string, (...parameters: unknown[]) => unknown>;
}

/** Segments images that failed once more, as the next run would; one that could not be opened is opened anew. */
async function tryAgain(
  services: CommandServices,
  failed: ImageNode | FailedNode | { readonly uri: vscode.Uri } | undefined,
): Promise<void> {
  if (!failed) throw new Outcome('Choose failed images in the Review view.');
  const { projects, provider } = services;
  const uris = 'failed' in failed ? failed.failed.map(({ uri }) => uri) : [failed.uri];
  const root = await projects.at(uris[0].fsPath);
  if ((await root.project()).references.length > 0) await segmentFolder(services, uris);
  for (const uri of uris) await provider.reopenUnreadable(uri);
}

/** What a menu of the Explorer was opened on: all that is selected, where what was clicked is part of it. */
const chosen = (uri: vscode.Uri | undefined, uris: vscode.Uri[] | undefined): readonly vscode.Uri[] =>
  Array.isArray(uris) && uris.length > 0 ? uris : uri instanceof vscode.Uri ? [uri] : [];

/** The image that is active in another editor, opened in the label editor. */
async function activeImage(provider: LabelEditorProvider): Promise<LabelDocumentHandle | undefined> {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const uri = input instanceof vscode.TabInputCustom || input instanceof vscode.TabInputText ? input.uri : undefined;
  return uri && READ_SUFFIXES.includes(extname(uri.path).slice(1).toLowerCase()) ? provider.show(uri) : undefined;
}
