/** Every command of the extension: name -> function, behind one wrapper that shows errors. */
import * as vscode from 'vscode';
import { Outcome } from '../core/userError';
import type { PersonMasks } from '../editor/image/saving';
import type { LabelDocumentHandle } from '../editor/openDocuments';
import {
  CANVAS_ACTIONS,
  type CanvasAction,
  type CommandName,
  commandId,
  focusOf,
  type PageCommand,
  WORKBENCH_COMMANDS,
  type WorkbenchCommand,
} from '../protocol/contributions';
import type { ModelNode } from '../views/modelTree';
import type { ReferenceNode } from '../views/referenceTree';
import type { FailedNode, ImageNode } from '../views/reviewItems';
import type { ReviewView } from '../views/reviewTree';
import { failable } from './failable';
import {
  acceptMask,
  loadMask,
  makeReference,
  openInEditor,
  placeFor,
  saveMaskAs,
  segmentImages,
  tryAgain,
} from './imageCommands';
import { importModel } from './importModel';
import { labelDoubtful } from './labelDoubtful';
import {
  cancelDownload,
  downloadModel,
  importModelFiles,
  type ModelContext,
  removeModel,
  useModelByDefault,
  verifyModels,
} from './modelActions';
import { clearReferences, type ReferenceContext, setReferenceFromFiles } from './referenceCommands';
import { openSamples } from './samples';
import { type FolderContext, segmentFolder } from './segmentFolder';
import { type DeviceContext, installCudaSupport, removeCudaSupport, selectDevice } from './selectDevice';

export interface CommandServices extends FolderContext, ReferenceContext, DeviceContext {
  readonly masks: PersonMasks;
  readonly review: ReviewView;
  readonly models: ModelContext;
  readonly samplesDir: string;
}

/** VS Code gives what a command was clicked on: its menu decides what that is. */
type Command = (...parameters: never[]) => unknown;

/** @param needTrust ids of the commands that do nothing in Restricted Mode, where links and keys still reach them */
export function registerCommands(services: CommandServices, needTrust: ReadonlySet<string>): vscode.Disposable {
  const run = (id: string, command: Command, parameters: never[]) => {
    if (needTrust.has(id) && !vscode.workspace.isTrusted) throw restricted();
    return command(...parameters);
  };
  return vscode.Disposable.from(
    ...Object.entries(commandTable(services)).map(([name, command]) => {
      const id = commandId(name as CommandName);
      return vscode.commands.registerCommand(id, (...parameters: never[]) =>
        failable(services.log, () => run(id, command, parameters)),
      );
    }),
  );
}

const restricted = (): Outcome =>
  new Outcome('Trust this workspace to do that: in Restricted Mode images and masks can only be looked at.', [
    {
      label: 'Manage Workspace Trust',
      take: () => vscode.commands.executeCommand(WORKBENCH_COMMANDS.manageTrust),
    },
  ]);

/** What a button of a page does to the document that it shows. */
export function pageCommand(
  services: CommandServices,
  command: PageCommand,
  document: LabelDocumentHandle,
): Promise<void> {
  return failable(services.log, async () => {
    if (isWorkbench(command)) await vscode.commands.executeCommand(WORKBENCH_COMMANDS[command]);
    else await vscode.commands.executeCommand(commandId(command), document.uri);
  });
}

const isWorkbench = (command: PageCommand): command is WorkbenchCommand => command in WORKBENCH_COMMANDS;

function commandTable(services: CommandServices): Record<CommandName, Command> {
  const { provider, projects, review, models, log } = services;
  return {
    openEditor: (uri?: vscode.Uri, uris?: vscode.Uri[]) => openInEditor(provider, chosen(uri, uris)),
    segmentImage: (uri?: vscode.Uri, uris?: vscode.Uri[]) => segmentImages(services, uri, uris),
    segmentFolder: (uri?: vscode.Uri, uris?: vscode.Uri[]) => segmentFolder(services, chosen(uri, uris)),
    useAsReference: (of?: vscode.Uri | ImageNode) => makeReference(services, of),
    setReferenceFromFiles: (folder?: vscode.Uri) =>
      setReferenceFromFiles(services, folder instanceof vscode.Uri ? folder : undefined),
    clearReferences: () => clearReferences(projects),
    removeReference: async ({ root, reference }: ReferenceNode) => {
      await root.removeReference(reference.reference);
      projects.changed(root);
    },
    labelDoubtful: () => labelDoubtful(services),
    reviewNext: () => review.openNext(provider.activePlace),
    nextImage: async (uri?: vscode.Uri) => review.openNeighbour(await placeFor(provider, uri), 1),
    previousImage: async (uri?: vscode.Uri) => review.openNeighbour(await placeFor(provider, uri), -1),
    tryAgain: (failed?: ImageNode | FailedNode) => tryAgain(services, failed ?? provider.activeUnreadable),
    acceptMask: (uri?: vscode.Uri) => acceptMask(services, uri),
    loadMask: (uri?: vscode.Uri) => loadMask(provider, uri),
    saveMaskAs: (uri?: vscode.Uri) => saveMaskAs(services, uri),
    manageModels: () => vscode.commands.executeCommand(focusOf('models')),
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
    ...canvasCommands((action) => provider.act(action)),
  };
}

const canvasCommands = (act: (action: CanvasAction) => void) =>
  Object.fromEntries(CANVAS_ACTIONS.map((action) => [`canvas.${action}`, () => act(action)])) as Record<
    `canvas.${CanvasAction}`,
    Command
  >;

/** What a menu of the Explorer was opened on: all that is selected, where what was clicked is part of it. */
const chosen = (uri: vscode.Uri | undefined, uris: vscode.Uri[] | undefined): readonly vscode.Uri[] =>
  Array.isArray(uris) && uris.length > 0 ? uris : uri instanceof vscode.Uri ? [uri] : [];
