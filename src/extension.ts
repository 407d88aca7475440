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
import { LabelEditorProvider, VIEW_TYPE } from './editor/provider';
import { UnsavedFolder } from './editor/unsaved/unsavedFolder';
import { PIXEL_LIMIT } from './engineClient/defaults';
import { ModelStore } from './models/modelStore';
import { Projects } from './projects';
import { RunnerClient } from './runner/runnerClient';
import { DownloadJobs } from './views/downloadJobs';
import { ModelsView } from './views/modelTree';
import { ReferencesView } from './views/referenceTree';
import { ReviewView } from './views/reviewTree';
import { StatusBar } from './views/statusBar';

/** What the tests inside VS Code look at. */
export type TestApi = Pick<CommandServices, 'provider' | 'projects' | 'runner' | 'engines' | 'models'>;

export function activate(context: vscode.ExtensionContext): TestApi | undefined {
  const owner = new Owner();
  context.subscriptions.push(owner);
  const log = owner.register(vscode.window.createOutputChannel('AP-MedSAM', { log: true }));
  const dist = path.join(context.extensionPath, 'dist');
  const engineEntry = path.join(dist, 'engine.js');
  const modelsDir = path.join(context.extensionPath, 'models');
  const home = homeDir();
  const store = new ModelStore(modelsDir, home);
  const journals = new JournalViews();
  const defaults = () => ({ ...PROJECT_DEFAULTS, ...projectChoices(readConfig()) });
  const grants = new MaskFolderGrants(home, askForMaskFolder);
  const projects = owner.register(new Projects(journals, defaults));
  const statusBar = owner.register(new StatusBar('apMedSam.selectDevice'));
  const engineConfig = () => ({
    modelsDir,
    homeDir: home,
    cacheBytes: readConfig().cacheBytes,
    pixelLimit: PIXEL_LIMIT,
    device: readConfig().device,
    imageSeconds: readConfig().imageSeconds,
    verbose: true,
  });
  const engines = owner.register(
    new Engines({
      entry: engineEntry,
      config: () => ({ ...engineConfig(), threads: readConfig().threads }),
      log: (line) => log.info(`engine: ${line}`),
      onPlaced: (info) => {
        statusBar.showEngine(info);
        deviceWatch.consider(info);
      },
    }),
  );
  const deviceWatch = owner.register(
    new DeviceWatch({
      entry: engineEntry,
      modelsDir,
      homeDir: home,
      choice: () => readConfig().device,
      renew: () => engines.renew(),
      log: (line) => log.info(line),
    }),
  );
  const session = randomBytes(6).toString('hex');
  const masks = owner.register(new PersonMasks({ session, journals, defaults: defaults(), grants }));
  const unsaved = new UnsavedFolder(path.join(context.globalStorageUri.fsPath, 'unsaved'), session, (line) =>
    log.warn(line),
  );
  const storage = [context.storageUri, context.globalStorageUri].flatMap((uri) => (uri ? [uri.fsPath] : []));
  unsaved.sweep(storage).catch((error: unknown) => log.warn(String(error)));
  const runner = owner.register(
    new RunnerClient({
      entry: path.join(dist, 'runner.js'),
      config: () => ({
        engineEntry,
        engine: engineConfig(),
        engines: readConfig().engines,
      }),
      log: (line) => log.info(`runner: ${line}`),
    }),
  );
  const client = owner.register(
    new ModelClient({
      entry: path.join(dist, 'models.js'),
      config: { modelsDir, homeDir: home },
      log: (line) => log.info(`models: ${line}`),
      confirm: confirmFiles,
    }),
  );
  const jobs = owner.register(new DownloadJobs(client, readNetwork));
  const models: ModelContext = {
    store,
    client,
    jobs,
    view: owner.register(new ModelsView(store, client, jobs, readConfig)),
    useByDefault,
    mirror: () => readNetwork().mirror,
  };
  const provider: LabelEditorProvider = owner.register(
    new LabelEditorProvider({
      extensionUri: context.extensionUri,
      displayDir: homeDisplayDir(home),
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
  const services: CommandServices = {
    provider,
    projects,
    engines,
    runner,
    masks,
    grants,
    reports: owner.register(new Reports()),
    review: owner.register(new ReviewView(projects, provider, log)),
    models,
    samplesDir: path.join(modelsDir, 'samples'),
    engineEntry,
    homeDir: home,
    device: () => readConfig().device,
    probeTarget: () => {
      const { encoder, segmenter } = readConfig();
      return { modelsDir, homeDir: home, encoder, segmenter };
    },
    deviceWatch,
    modelClient: client,
    network: readNetwork,
    renewEngines: () => engines.renew(),
    overwrite: () => readConfig().overwrite,
    onRun: (text) => statusBar.showRun(text),
    log,
  };
  owner.register(new ReferencesView(projects));
  owner.register(onConfigChange(() => void engines.renew()));
  owner.register(new Prefetcher(provider, services.review, engines, () => readConfig().prefetch));
  owner.register(registerCommands(services, commandsThatNeedTrust(context.extension)));
  owner.register(
    vscode.window.registerCustomEditorProvider(VIEW_TYPE, provider, {
      supportsMultipleEditorsPerDocument: true,
      webviewOptions: { retainContextWhenHidden: false },
    }),
  );
  return context.extensionMode === vscode.ExtensionMode.Test ? services : undefined;
}

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
