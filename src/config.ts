/** The only reader of VS Code settings. Their defaults, ranges and descriptions stand in package.json. */

import * as os from 'node:os';
import * as vscode from 'vscode';
import type { StrategyId } from './core/strategies';
import { DEFAULT_PARAMETERS, DEFAULT_VIEWS, type NamedViews } from './core/strategies/strategy';
import { deviceOfEnvironment } from './devices/devices';
import type { DeviceChoice } from './protocol/deviceApi';
import type { ModelName, NetworkSettings } from './protocol/modelApi';
import type { LearnFrom } from './protocol/runnerApi';

interface Config {
  /** What a new project starts with; `project.json` decides from then on. */
  readonly encoder: string;
  readonly segmenter: string;
  readonly strategy: StrategyId;
  readonly views: NamedViews;
  readonly maskFolder: string;
  /** What becomes of masks that are there when a folder is segmented. */
  readonly overwrite: 'replace-auto' | 'skip';
  /** What classes are learnt from. */
  readonly learnFrom: LearnFrom;
  /** Threads of the editor's engine. */
  readonly threads: number;
  /** Engine processes for folders; 0 for as many as suit the device. */
  readonly engines: number;
  /** What the models run on. */
  readonly device: DeviceChoice;
  readonly cacheBytes: number;
  /** Images encoded ahead of the one that is open. */
  readonly prefetch: number;
  /** Longest time in seconds that the work on one image may take; 0 for no limit. */
  readonly imageSeconds: number;
}

const SECTION = 'apMedSam';

export function readConfig(): Config {
  const section = vscode.workspace.getConfiguration(SECTION);
  const setting = <T>(name: string): T => section.get<T>(name) as T;
  const cores = os.availableParallelism();
  return {
    encoder: setting('encoder'),
    segmenter: setting('segmenter'),
    strategy: setting('strategy'),
    views: setting('views'),
    maskFolder: setting('maskFolder'),
    overwrite: setting('overwrite'),
    learnFrom: setting('learnFrom'),
    // The editor itself needs a core.
    threads: setting<number>('threads') || Math.max(1, cores - 1),
    engines: setting('engines'),
    device: deviceOfEnvironment() ?? setting('device'),
    cacheBytes: setting<number>('cacheSize') * 1024 * 1024,
    prefetch: setting('prefetch'),
    imageSeconds: setting('imageTimeout'),
  };
}

/** What of the settings a new project starts with. */
export const projectChoices = ({ encoder, segmenter, strategy, maskFolder, views }: Config) => ({
  ...{ encoder, segmenter, strategy, maskFolder },
  // The default has the run key of a project that says nothing.
  parameters: { ...DEFAULT_PARAMETERS, ...(views !== DEFAULT_VIEWS && { views }) },
});

/** How downloads reach the network: VS Code's own settings, and the mirror. */
export function readNetwork(): NetworkSettings {
  const http = vscode.workspace.getConfiguration('http');
  const mirror = vscode.workspace.getConfiguration(SECTION).get<string>('modelMirror');
  const proxy = http.get<string>('proxy');
  const proxyAuthorization = http.get<string | null>('proxyAuthorization');
  const noProxy = http.get<string[]>('noProxy');
  return {
    ...(mirror && { mirror }),
    ...(proxy && { proxy }),
    ...(proxyAuthorization && { proxyAuthorization }),
    ...(noProxy && noProxy.length > 0 && { noProxy }),
    direct: http.get<string>('proxySupport') === 'off',
    strictSsl: http.get<boolean>('proxyStrictSSL') ?? true,
  };
}

/** Makes a model the one that new projects of this user start with. */
export async function useByDefault({ kind, id }: ModelName): Promise<void> {
  await vscode.workspace.getConfiguration(SECTION).update(kind, id, vscode.ConfigurationTarget.Global);
}

export const onConfigChange = (listener: () => void): vscode.Disposable =>
  vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration(SECTION)) listener();
  });
