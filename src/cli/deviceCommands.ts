/** `ap-medsam devices`: what the models can run on here; `devices install-cuda` and `devices remove-cuda`. */
import path from 'node:path';
import { fetchThrough } from '../devices/cudaDownload';
import { cudaState, installCuda, removeCuda } from '../devices/cudaSupport';
import { type DeviceTrial, verdictOf, whyNotBetter } from '../devices/deviceAnswers';
import { type DeviceAnswer, probeDevices, recallAnswer } from '../devices/deviceProber';
import { candidatesOf, deviceTitles } from '../devices/devices';
import { lackOf } from '../devices/machine';
import { type Arguments, type Command, type CommandContext, EXIT, UsageError } from './command';
import { jsonOption } from './options';
import { ProgressLine } from './progress';
import { textTable } from './textTable';

export const devices: Command = {
  name: 'devices',
  summary: 'what the models can run on here, and why auto takes what it takes',
  usage: '[--probe] [options]',
  description: [
    'Shows what is remembered of this machine: which devices work, whether the chosen models give on them what they give on the CPU (largest difference of tokens and logits, relative to the largest magnitude, at most 0.01), and the median milliseconds for encoding one image and answering one prompt.',
    'With --probe every device is tried anew, each in a process of its own. "auto" takes the fastest one that agrees and needs at most 90 % of the CPU\'s time. TensorRT is not tried, since it builds an engine for minutes whenever a model is opened: ask for it by name.',
  ],
  options: {
    probe: { help: 'try the devices anew' },
    encoder: { value: 'id', help: 'image encoder to try them with', default: 'embedded' },
    segmenter: { value: 'id', help: 'promptable segmenter to try them with', default: 'embedded' },
    verbose: { help: 'print what the tried processes say' },
    json: jsonOption,
  },
  examples: ['ap-medsam devices --probe', 'ap-medsam devices --json'],
  run: showDevices,
};

async function showDevices(args: Arguments, context: CommandContext): Promise<number> {
  const { probe, home, out, outText, err, signal } = context;
  const target = {
    modelsDir: probe.modelsDir,
    homeDir: home,
    encoder: args.text('encoder')!,
    segmenter: args.text('segmenter')!,
  };
  let answer: DeviceAnswer | undefined;
  if (args.flag('probe')) {
    answer = await probeDevices({
      entry: probe.entry,
      target,
      signal,
      onDevice: (device) => err(`Trying ${deviceTitles[device]}...`),
      ...(args.flag('verbose') && { log: err }),
    });
  } else {
    answer = await recallAnswer(probe.entry, target);
  }
  const trials: readonly DeviceTrial[] = answer?.trials ?? candidatesOf().map(untried);
  const best = answer?.best ?? 'cpu';
  const rows = deviceRows(trials, best);
  if (args.flag('json')) {
    for (const row of rows) out(JSON.stringify({ ...row, tried: answer !== undefined }));
    return EXIT.done;
  }
  const number = (value: number | undefined) => (value === undefined ? '-' : String(Math.round(value)));
  outText(
    textTable(
      ['device', 'works', 'agrees', 'ms', 'ms on the CPU', 'auto takes it', 'why'],
      rows.map(({ device, works, agrees, ms, cpuMs: cpu, used, reason }) => [
        device,
        answer || device === 'cpu' || lackOf(device) !== undefined ? yesNo(works) : '-',
        agrees === undefined ? '-' : yesNo(agrees),
        number(ms),
        number(cpu),
        yesNo(used),
        reason,
      ]),
    ),
  );
  if (!answer && trials.some(({ failure }) => failure === undefined)) {
    out('The devices were not tried yet with these models: "ap-medsam devices --probe" does it now.');
  }
  if (answer) for (const sentence of whyNotBetter(answer.trials, best)) if (args.flag('verbose')) err(sentence);
  return EXIT.done;
}

/** What is known of each device, the CPU first. */
function deviceRows(trials: readonly DeviceTrial[], best: DeviceAnswer['best']) {
  const cpuMs = trials.find(({ measured }) => measured)?.measured?.cpuMilliseconds;
  return [
    {
      device: 'cpu' as const,
      works: true,
      agrees: true,
      ms: cpuMs,
      cpuMs,
      reason: 'the CPU itself',
      used: best === 'cpu',
    },
    ...trials.map((trial) => ({
      device: trial.device,
      works: trial.measured !== undefined,
      agrees: trial.measured && trial.measured.difference <= 0.01,
      difference: trial.measured?.difference,
      ms: trial.measured?.milliseconds,
      cpuMs: trial.measured?.cpuMilliseconds,
      reason: verdictOf(trial).reason,
      used: trial.device === best,
    })),
  ];
}

const untried = (device: DeviceTrial['device']): DeviceTrial => {
  const failure = lackOf(device);
  return { device, ...(failure !== undefined && { failure }) };
};

const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

export const devicesInstall: Command = {
  name: 'devices install-cuda',
  summary: "fetch ONNX Runtime's CUDA and TensorRT providers (Linux on x64)",
  usage: '[--yes] [options]',
  description: [
    'Fetches the provider libraries that belong to exactly this version of ONNX Runtime from NuGet (several hundred megabytes, MIT licence), checks them, and puts them with a copy of the runtime into the home folder; nothing that is installed is changed. An interrupted download goes on the next time. HTTPS_PROXY, NO_PROXY and NODE_EXTRA_CA_CERTS are followed. Without --yes it asks first.',
    'The first SHA-256 that is seen of a version is pinned: any later copy must be the same. CUDA 12 and cuDNN 9 are not part of this: install them from NVIDIA.',
  ],
  options: {
    yes: { help: 'agree to the download' },
    from: { value: 'nupkg', help: 'take the package from a file instead, for a machine without a network' },
    mirror: {
      value: 'url',
      help: 'takes the place of scheme and host in the address; a path in it comes first; default: the variable AP_MEDSAM_MIRROR',
    },
    'ca-file': { value: 'pem', help: 'certificates of authorities to trust besides the usual ones' },
    sha256: { value: 'hex', help: 'what the package must be; default: what was pinned' },
  },
  examples: ['ap-medsam devices install-cuda --yes', 'ap-medsam devices install-cuda --from gpu.linux.nupkg --yes'],
  run: install,
};

async function install(args: Arguments, context: CommandContext): Promise<number> {
  const { home, probe, out, err, signal } = context;
  const { entry } = probe;
  const state = cudaState({ entry, home });
  if (state.installed) {
    out(`CUDA support for ONNX Runtime ${state.version} is installed in ${state.folder}.`);
    return EXIT.done;
  }
  const from = args.text('from');
  const sha256 = args.text('sha256');
  if (sha256 !== undefined && !/^[0-9a-fA-F]{64}$/.test(sha256)) {
    throw new UsageError(`--sha256 should be 64 hexadecimal digits, got "${sha256}"`);
  }
  if (!args.flag('yes')) {
    err(`This takes ${from ?? state.url} and puts its provider libraries into ${state.folder}.`);
    if (!(await context.ask?.('Several hundred megabytes, MIT licence. Go on?'))) {
      err('Nothing was fetched: add --yes to agree.');
      return EXIT.usage;
    }
  }
  const mirror = args.text('mirror') ?? process.env.AP_MEDSAM_MIRROR;
  const caFile = args.text('ca-file');
  const progress = new ProgressLine(context);
  const installed = await installCuda({
    entry,
    home,
    signal,
    sha256,
    fetchFile: fetchThrough({
      ...(mirror && { mirror }),
      ...(caFile !== undefined && { caFile: path.resolve(caFile) }),
    }),
    ...(from !== undefined && { from: path.resolve(from) }),
    onProgress: (step, received, total) =>
      progress.begin(`${step}${received === undefined ? '' : amount(received, total)}...`),
  }).finally(() => progress.clear());
  out(`Installed the CUDA and TensorRT providers of ONNX Runtime ${installed.version} in ${state.folder}.`);
  out(`SHA-256 of the package, pinned from now on: ${installed.sha256}`);
  out('"ap-medsam devices --probe" tells whether they work here.');
  return EXIT.done;
}

const amount = (received: number, total: number | undefined): string =>
  ` ${Math.round(received / 1e6)}${total === undefined ? '' : ` of ${Math.round(total / 1e6)}`} MB`;

export const devicesRemove: Command = {
  name: 'devices remove-cuda',
  summary: 'remove what install-cuda has put into the home folder',
  usage: '',
  description: ['Removes the private copies of the runtime and unfinished downloads. The pinned SHA-256 stays.'],
  options: {},
  examples: ['ap-medsam devices remove-cuda'],
  async run(_, { home, out }) {
    const gone = await removeCuda(home);
    out(gone.length === 0 ? 'There is no CUDA support to remove.' : `Removed ${gone.join(', ')}.`);
    return EXIT.done;
  },
};
