/**
 * Entry of the VS Code extension: constructs what it is made of, and registers it. Nothing starts before it is used.
 */
import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { type CommandServices, pageCommand, registerCommands } from './commands';
import { askForMaskFolder } from './commands/askForMaskFolder';
import { confirmFiles, type ModelContext } from './commands/modelActions';
import { Reports } from './commands/reports';
import { onConfigChange, projectChoices, readConfig, readNetwork, useByDefault } from './config';
import { MaskFolderGrants } from './dataset/files/maskFolderGrants';
import { JournalViews } from './dataset/journal/journalView';
import { PROJECT_DEFAULTS } from './dataset/project/setUp';
import { homeDir, homeDisplayDir } from './disk/home';
import { Owner } from './dispose';
import { ModelClient } from './downloads/modelClient';
import { DeviceWatch } from './editor/engines/deviceWatch';
import { Engines } from './editor/engines/engines';
import { PersonMasks } from './editor/image/saving';
import { Prefetcher } from './editor/prefetcher';
import { LabelEditorProvider } from './editor/provider';
import { UnsavedFolder } from './editor/unsaved/unsavedFolder';
import { PIXEL_LIMIT } from './engineClient/defaults';
import { ModelStore } from './models/modelStore';
import { Projects } from './projects';
import { EDITOR_TYPE } from './protocol/contributions';
import { RunnerClient } from './runner/runnerClient';
import { DownloadJobs } from './views/downloadJobs';
import { ModelsView } from './views/modelTree';
import { ReferencesView } from './views/referenceTree';
import { ReviewView } from './views/reviewTree';
import { StatusBar } from './views/statusBar';

/** What the tests inside VS Code look at. */
export type TestApi = Pick<CommandServices, 'provider' | 'projects' | 'runner' | 'engines' | 'models'>;

/** What everything stands on. */
interface Ground {
  readonly owner: Owner;
  readonly log: vscode.LogOutputChannel;
  /** Absolute path of the folder of bundles. */
  readonly dist: string;
  /** Absolute path of the engine's bundle. */
  readonly engineEntry: string;
  readonly modelsDir: string;
  readonly homeDir: string;
}

export function activate(context: vscode.ExtensionContext): TestApi | undefined {
  const owner = new Owner();
  context.subscriptions.push(owner);
  const log = owner.register(vscode.window.createOutputChannel('AP-MedSAM', { log: true }));
  const dist = path.join(context.extensionPath, 'dist');
  const modelsDir = path.join(context.extensionPath, 'models');
  const ground: Ground = { owner, log, dist, engineEntry: path.join(dist, 'engine.js'), modelsDir, homeDir: homeDir() };
  const journals = new JournalViews();
  const defaults = () => ({ ...PROJECT_DEFAULTS, ...projectChoices(readConfig()) });
  const grants = new MaskFolderGrants(ground.homeDir, askForMaskFolder);
  const projects = owner.register(new Projects(journals, defaults, () => readConfig().learnFrom));
  const statusBar = owner.register(new StatusBar());
  const { engines, deviceWatch } = enginesOn(ground, statusBar);
  const session = randomBytes(6).toString('hex');
  const masks = owner.register(new PersonMasks({ session, journals, defaults: defaults(), grants }));
  const unsaved = unsavedOf(ground, context, session);
  const runner = runnerOn(ground);
  const { models, modelClient } = modelsOn(ground);
  const provider: LabelEditorProvider = owner.register(
    new LabelEditorProvider({
      extensionUri: context.extensionUri,
      displayDir: homeDisplayDir(ground.homeDir),
      copiesDir: path.join(context.globalStorageUri.fsPath, 'copies'),
      engines,
      projects,
      masks,
      unsaved,
      onEngine: (info) => statusBar.showEngine(info),
      runCommand: (command, document) => pageCommand(services, command, document),
      log,
    }),
  );
  const reports = owner.register(new Reports());
  const review = owner.register(new ReviewView(projects, provider, log));
  const services: CommandServices = {
    ...settingsOf(ground),
    provider,
    projects,
    engines,
    runner,
    masks,
    grants,
    reports,
    review,
    models,
    deviceWatch,
    modelClient,
    log,
    renewEngines: () => engines.renew(),
    onRun: (text) => statusBar.showRun(text),
  };
  register(ground, services, context);
  return context.extensionMode === vscode.ExtensionMode.Test ? services : undefined;
}

/** Offers everything to VS Code. */
function register({ owner }: Ground, services: CommandServices, { extension }: vscode.ExtensionContext): void {
  const { projects, engines, provider, review } = services;
  owner.register(new ReferencesView(projects));
  owner.register(onConfigChange(() => void engines.renew()));
  owner.register(new Prefetcher(provider, review, engines, () => readConfig().prefetch));
  owner.register(registerCommands(services, commandsThatNeedTrust(extension)));
  owner.register(
    vscode.window.registerCustomEditorProvider(EDITOR_TYPE, provider, {
      supportsMultipleEditorsPerDocument: true,
      webviewOptions: { retainContextWhenHidden: false },
    }),
  );
}

/** What engines of editors and of folders are told alike. */
const engineConfig = ({ modelsDir, homeDir }: Ground) => ({
  modelsDir,
  homeDir,
  cacheBytes: readConfig().cacheBytes,
  pixelLimit: PIXEL_LIMIT,
  device: readConfig().device,
  imageSeconds: readConfig().imageSeconds,
  verbose: true,
});

/** Engines of editors, and what looks for a better device for them. */
function enginesOn(ground: Ground, statusBar: StatusBar) {
  const { owner, log, engineEntry: entry, modelsDir, homeDir } = ground;
  const engines = owner.register(
    new Engines({
      entry,
      config: () => ({ ...engineConfig(ground), threads: readConfig().threads }),
      log: (line) => log.info(`engine: ${line}`),
      onPlaced: (info) => {
        statusBar.showEngine(info);
        deviceWatch.consider(info);
      },
    }),
  );
  const deviceWatch = owner.register(
    new DeviceWatch({
      entry,
      modelsDir,
      homeDir,
      choice: () => readConfig().device,
      renew: () => engines.renew(),
      log: (line) => log.info(line),
    }),
  );
  return { engines, deviceWatch };
}

/** @param session hexadecimal, of this window */
function unsavedOf({ log }: Ground, context: vscode.ExtensionContext, session: string): UnsavedFolder {
  const folder = path.join(context.globalStorageUri.fsPath, 'unsaved');
  const unsaved = new UnsavedFolder(folder, session, (line) => log.warn(line));
  const storage = [context.storageUri, context.globalStorageUri].flatMap((uri) => (uri ? [uri.fsPath] : []));
  unsaved.sweep(storage).catch((error: unknown) => log.warn(String(error)));
  return unsaved;
}

const runnerOn = (ground: Ground): RunnerClient =>
  ground.owner.register(
    new RunnerClient({
      entry: path.join(ground.dist, 'runner.js'),
      config: () => ({
        engineEntry: ground.engineEntry,
        engine: engineConfig(ground),
        engines: readConfig().engines,
      }),
      log: (line) => ground.log.info(`runner: ${line}`),
    }),
  );

/** Models as they are listed, downloaded and imported. */
function modelsOn({ owner, log, dist, modelsDir, homeDir }: Ground) {
  const store = new ModelStore(modelsDir, homeDir);
  const client = owner.register(
    new ModelClient({
      entry: path.join(dist, 'models.js'),
      config: { modelsDir, homeDir },
      log: (line) => log.info(`models: ${line}`),
      confirm: confirmFiles,
    }),
  );
  const jobs = owner.register(new DownloadJobs(client, readNetwork));
  const view = owner.register(new ModelsView(store, client, jobs, readConfig));
  const models: ModelContext = { store, client, jobs, view, useByDefault, mirror: () => readNetwork().mirror };
  return { models, modelClient: client };
}

/** What commands ask of the settings, and where they find things. */
const settingsOf = ({ engineEntry, modelsDir, homeDir }: Ground) => ({
  samplesDir: path.join(modelsDir, 'samples'),
  engineEntry,
  homeDir,
  device: () => readConfig().device,
  probeTarget: () => {
    const { encoder, segmenter } = readConfig();
    return { modelsDir, homeDir, encoder, segmenter };
  },
  network: readNetwork,
  overwrite: () => readConfig().overwrite,
  learnFrom: () => readConfig().learnFrom,
});

/** As the manifest says it to VS Code, which greys their buttons. */
function commandsThatNeedTrust({ packageJSON }: vscode.Extension<unknown>): ReadonlySet<string> {
  const { commands } = (packageJSON as Manifest).contributes;
  return new Set(
    commands.filter(({ enablement }) => enablement === 'isWorkspaceTrusted').map(({ command }) => command),
  );
}

interface Manifest {
  readonly contributes: { readonly commands: readonly { readonly command: string; readonly enablement?: string }[] };
}
