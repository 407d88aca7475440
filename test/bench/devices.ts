/**
 * What the models run on here, `npm run bench:devices`: every device of the platform tried in a process of its own,
 * with machine and versions.
 *
 * `--software` lets WebGPU use the software adapter that Debian's Chromium brings (SwiftShader): it shows that the
 * provider works, never how fast a GPU is.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { verdictOf } from '../../src/devices/deviceAnswers';
import { probeDevices } from '../../src/devices/deviceProber';
import { devicesOf, deviceTitles } from '../../src/devices/devices';
import { readCommandLine } from '../commandLine';
import { environment, repository, startEngines } from './bench';
import { benches } from './benches';
import { printerOf } from './printer';

const { values } = readCommandLine(benches.devices);
const { table, say } = printerOf(values);

/** Where Debian's Chromium has its Vulkan loader and software driver. */
const CHROMIUM = '/usr/lib/chromium';

async function main(): Promise<void> {
  if (values.software) {
    const driver = path.join(CHROMIUM, 'vk_swiftshader_icd.json');
    if (!existsSync(driver)) throw new Error(`there is no software adapter at ${driver}`);
    process.env.VK_ICD_FILENAMES = driver;
    process.env.LD_LIBRARY_PATH = [CHROMIUM, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  }
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-bench-devices-'));
  const home = values.home ?? scratch;
  try {
    const { encoder, segmenter } = values;
    const { best, trials } = await probeDevices({
      entry: path.join(repository, 'dist', 'engine.js'),
      target: { modelsDir: path.join(repository, 'models'), homeDir: home, encoder, segmenter },
      devices: devicesOf(),
      limitMs: Number(values.limit) * 1000,
      onDevice: (device) => console.error(`Trying ${deviceTitles[device]}...`),
      log: (line) => console.error(line),
    });
    const rows = trials.map((trial) => {
      const { device, measured } = trial;
      const numbers = measured
        ? [measured.difference.toExponential(1), measured.milliseconds.toFixed(1), measured.cpuMilliseconds.toFixed(1)]
        : ['-', '-', '-'];
      return [deviceTitles[device], ...numbers, device === best ? 'yes' : 'no', verdictOf(trial).reason];
    });
    table(
      `Encoder ${encoder}, segmenter ${segmenter}: encode one image, answer one prompt set`,
      ['device', 'difference', 'ms', 'ms on the CPU', 'taken', 'why'],
      rows,
    );
    const engine = startEngines(1, Math.max(1, os.availableParallelism() - 1), scratch);
    const info = await engine.info().finally(() => engine.dispose());
    say(environment(info));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
