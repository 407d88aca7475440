/**
 * What a machine is, as far as the speed and the answers of its devices go, without starting any of their libraries.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../disk/hashing';
import type { DeviceName } from '../protocol/deviceApi';

/** Where Linux shows its hardware; tests show another machine. */
export interface MachineView {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  /** Folder that stands for `/`. */
  readonly root: string;
}

const thisMachine = (): MachineView => ({ platform: process.platform, env: process.env, root: '/' });

/** Variables that decide which driver is loaded, or which device is seen. */
const DRIVER_VARIABLES = [
  'VK_ICD_FILENAMES',
  'VK_DRIVER_FILES',
  'VK_LOADER_DRIVERS_SELECT',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
  'NVIDIA_VISIBLE_DEVICES',
  'MESA_VK_DEVICE_SELECT',
];

/**
 * Says in one hash which processor, devices and drivers these are: what was measured on one machine holds for another
 * of the same hash, such as the next node of a cluster with a shared home. On Windows and macOS, where devices cannot
 * be seen without their libraries, the name of the machine and the build of the system (drivers of macOS are part of
 * it) stand in.
 */
export function machineIdentity(view: MachineView = thisMachine()): string {
  const { platform, env } = view;
  const parts: unknown[] = [
    platform,
    process.arch,
    os.cpus().map(({ model }) => model.trim()),
    DRIVER_VARIABLES.map((name) => env[name] ?? null),
  ];
  if (platform === 'linux') parts.push(linuxDevices(view));
  else parts.push(os.hostname(), os.release(), os.version());
  return sha256(JSON.stringify(parts));
}

function linuxDevices({ root }: MachineView): unknown[] {
  const cards = list(join(root, 'sys/class/drm'))
    .filter((name) => /^card\d+$/.test(name))
    .map((name) => {
      const device = join(root, 'sys/class/drm', name, 'device');
      return [read(join(device, 'vendor')), read(join(device, 'device'))];
    });
  const nvidia = list(join(root, 'proc/driver/nvidia/gpus')).map(
    (name) => /Model:\s*(.*)/.exec(read(join(root, 'proc/driver/nvidia/gpus', name, 'information')) ?? '')?.[1],
  );
  // The kernel carries the drivers of Mesa's half, the ICD files name the versions of the other.
  const icds = ['usr/share/vulkan/icd.d', 'etc/vulkan/icd.d'].flatMap((dir) =>
    list(join(root, dir)).map((name) => [name, read(join(root, dir, name))]),
  );
  return [cards, nvidia, read(join(root, 'proc/driver/nvidia/version')), read(join(root, 'proc/version')), icds];
}

/**
 * What a device needs and this machine visibly lacks, as words to follow "because"; undefined where a try is worth the
 * seconds. Keeps a machine without any graphics device from starting a process to learn that.
 */
export function lackOf(device: DeviceName, view: MachineView = thisMachine()): string | undefined {
  const { platform, env, root } = view;
  if (platform !== 'linux' || device === 'cpu') return undefined;
  const has = (path: string) => existsSync(join(root, path));
  // Windows' devices as a Linux in WSL 2 sees them.
  if (has('dev/dxg')) return undefined;
  if (device === 'cuda' || device === 'tensorrt') {
    if (has('dev/nvidiactl') || has('proc/driver/nvidia/version')) return undefined;
    return 'there is no NVIDIA device here, or no driver for it (/dev/nvidiactl)';
  }
  // A software adapter is chosen by these.
  if (env.VK_ICD_FILENAMES || env.VK_DRIVER_FILES) return undefined;
  if (list(join(root, 'dev/dri')).some((name) => name.startsWith('renderD')) || has('dev/nvidiactl')) return undefined;
  return 'there is no graphics device here (/dev/dri/renderD*)';
}

/**
 * Bytes in use on the NVIDIA devices, by all processes; undefined where `nvidia-smi` does not answer, and for other
 * devices.
 */
export async function deviceMemoryInUse(device: DeviceName, program = 'nvidia-smi'): Promise<number | undefined> {
  if (device !== 'cuda' && device !== 'tensorrt') return undefined;
  try {
    const question = ['--query-gpu=memory.used', '--format=csv,noheader,nounits'];
    const { stdout } = await promisify(execFile)(program, question, { timeout: 2000 });
    const mebibytes = stdout.trim().split('\n').map(Number);
    const sum = mebibytes.reduce((total, one) => total + one, 0);
    return Number.isFinite(sum) ? sum * 2 ** 20 : undefined;
  } catch {
    // A convenience of the log, not worth a failure.
    return undefined;
  }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    // Not there, or not to be seen from a container.
    return [];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // As above.
    return undefined;
  }
}
