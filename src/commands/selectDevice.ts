/** Select Device: what the models can run on, with what is known of each; and CUDA support, on consent. */
import * as vscode from 'vscode';
import { cudaState, removeCuda } from '../devices/cudaSupport';
import { verdictOf } from '../devices/deviceAnswers';
import { type DeviceAnswer, type ProbeTarget, recallAnswer } from '../devices/deviceProber';
import { devicesOf, deviceTitles } from '../devices/devices';
import { lackOf } from '../devices/machine';
import type { ModelClient } from '../downloads/modelClient';
import type { DeviceWatch } from '../editor/engines/deviceWatch';
import type { DeviceChoice, DeviceName } from '../protocol/deviceApi';
import type { NetworkSettings } from '../protocol/modelApi';
import { signalOf } from './failable';

export interface DeviceContext {
  /** Absolute path of the engine's bundle. */
  readonly engineEntry: string;
  readonly homeDir: string;
  /** The device of the settings. */
  readonly device: () => DeviceChoice;
  /** The models of the settings, to say of which devices agree. */
  readonly probeTarget: () => ProbeTarget;
  readonly deviceWatch: DeviceWatch;
  /** Downloads away from this process. */
  readonly modelClient: Pick<ModelClient, 'installCuda'>;
  readonly network: () => NetworkSettings;
  /** Lets engines start anew on their next call. */
  readonly renewEngines: () => Promise<void>;
}

interface DeviceItem extends vscode.QuickPickItem {
  readonly choice?: DeviceChoice;
}

/** Asks for a device and stores it in the settings of this machine. */
export async function selectDevice(context: DeviceContext): Promise<void> {
  const { engineEntry, probeTarget, deviceWatch } = context;
  let answer = await recallAnswer(engineEntry, probeTarget());
  for (;;) {
    const again: DeviceItem = { label: '$(refresh) Try the Devices Again', detail: 'Each in a process of its own.' };
    const items = [...deviceItems(answer, context.device()), again];
    const picked = await vscode.window.showQuickPick(items, { title: 'Device that the models run on' });
    if (!picked) throw new vscode.CancellationError();
    if (picked.choice !== undefined) {
      const settings = vscode.workspace.getConfiguration('apMedSam');
      await settings.update('device', picked.choice, vscode.ConfigurationTarget.Global);
      return;
    }
    const { encoder, segmenter } = probeTarget();
    const options = { location: vscode.ProgressLocation.Notification, title: 'Trying the devices', cancellable: true };
    answer = await vscode.window.withProgress(options, (_, token) =>
      deviceWatch.tryAgain(encoder, segmenter, signalOf(token)),
    );
  }
}

function deviceItems(answer: DeviceAnswer | undefined, current: DeviceChoice): DeviceItem[] {
  const mark = (choice: DeviceChoice) => (choice === current ? { description: 'selected' } : {});
  const now = answer ? `Now: ${deviceTitles[answer.best]}.` : 'Not tried yet; the CPU until then.';
  return [
    {
      choice: 'auto',
      label: 'Auto',
      detail: `The fastest device that gives what the CPU gives. ${now}`,
      ...mark('auto'),
    },
    { choice: 'cpu', label: deviceTitles.cpu, detail: 'Always works.', ...mark('cpu') },
    ...devicesOf().map((device) => ({
      choice: device,
      label: deviceTitles[device],
      detail: sentence(knownOf(device, answer)),
      ...mark(device),
    })),
  ];
}

function knownOf(device: DeviceName, answer: DeviceAnswer | undefined): string {
  const trial = answer?.trials.find((one) => one.device === device);
  if (trial) return verdictOf(trial).reason;
  return lackOf(device) ?? 'it was not tried';
}

const sentence = (clause: string): string => `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;

const DOWNLOAD = 'Download';

/** Installs the CUDA providers after a person has agreed to the download. */
export async function installCudaSupport(context: DeviceContext): Promise<void> {
  const place = { entry: context.engineEntry, home: context.homeDir };
  const { url, folder, version, installed } = cudaState(place);
  if (installed) {
    void vscode.window.showInformationMessage(`CUDA support for ONNX Runtime ${version} is installed in ${folder}.`);
    return;
  }
  const answer = await vscode.window.showWarningMessage(
    `Download the CUDA and TensorRT providers of ONNX Runtime ${version}?`,
    {
      modal: true,
      detail: `Several hundred megabytes (MIT licence) from ${url} to ${folder}. CUDA 12 and cuDNN 9 are not part of it: they come from NVIDIA.`,
    },
    DOWNLOAD,
  );
  if (answer !== DOWNLOAD) throw new vscode.CancellationError();
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: 'Installing CUDA support',
    cancellable: true,
  };
  const done = await vscode.window.withProgress(options, (progress, token) => {
    let shown = 0;
    return context.modelClient.installCuda(context.engineEntry, context.network(), {
      signal: signalOf(token),
      onProgress: ({ step, received, total }) => {
        const share = received === null || total === null ? shown : (100 * received) / total;
        const amount = received === null ? '' : ` ${Math.round(received / 1e6)} MB`;
        progress.report({ message: `${step}${amount}`, increment: share - shown });
        shown = share;
      },
    });
  });
  await context.renewEngines();
  void vscode.window.showInformationMessage(
    `CUDA support is installed (SHA-256 of the package ${done.sha256}). "Select Device..." tells whether it works here.`,
  );
}

export async function removeCudaSupport(context: DeviceContext): Promise<void> {
  const gone = await removeCuda(context.homeDir);
  await context.renewEngines();
  void vscode.window.showInformationMessage(
    gone.length === 0 ? 'There is no CUDA support to remove.' : `Removed ${gone.join(', ')}.`,
  );
}
