/**
 * The devices that models can run on: names, what ONNX Runtime calls them, which platform has them, what their errors
 * mean.
 */
import { UserError } from '../core/userError';
import type { DeviceChoice, DeviceName } from '../protocol/deviceApi';

export const deviceNames = ['cpu', 'cuda', 'tensorrt', 'directml', 'coreml', 'webgpu'] as const satisfies DeviceName[];

export const deviceChoices = ['auto', ...deviceNames] as const satisfies DeviceChoice[];

export const isDeviceChoice = (text: string): text is DeviceChoice =>
  (deviceChoices as readonly string[]).includes(text);

/** Environment variable that says which device to use where neither command line nor settings do. */
const DEVICE_VARIABLE = 'AP_MEDSAM_DEVICE';

/** The device that the environment asks for. Throws UserError for a name that is none. */
export function deviceOfEnvironment(env: NodeJS.ProcessEnv = process.env): DeviceChoice | undefined {
  const device = env[DEVICE_VARIABLE];
  if (!device || isDeviceChoice(device)) return (device as DeviceChoice) || undefined;
  throw new UserError(`${DEVICE_VARIABLE} should be one of ${deviceChoices.join(', ')}, got "${device}".`);
}

/** How messages name a device. */
export const deviceTitles: Readonly<Record<DeviceName, string>> = {
  cpu: 'CPU',
  cuda: 'CUDA',
  tensorrt: 'TensorRT',
  directml: 'DirectML',
  coreml: 'Core ML',
  webgpu: 'WebGPU',
};

/** ONNX Runtime's name of a device's execution provider. */
export const providerNames: Readonly<Record<DeviceName, string>> = {
  cpu: 'cpu',
  cuda: 'cuda',
  tensorrt: 'tensorrt',
  directml: 'dml',
  coreml: 'coreml',
  webgpu: 'webgpu',
};

/**
 * Devices of a platform besides the CPU, the one that is usually fastest first: what onnxruntime-node is built with
 * there.
 */
export function devicesOf(platform: string = process.platform, arch: string = process.arch): readonly DeviceName[] {
  switch (`${platform}-${arch}`) {
    case 'linux-x64':
      return ['cuda', 'tensorrt', 'webgpu'];
    case 'linux-arm64':
      return ['webgpu'];
    case 'win32-x64':
    case 'win32-arm64':
      return ['directml', 'webgpu'];
    case 'darwin-arm64':
      return ['coreml', 'webgpu'];
    default:
      return [];
  }
}

/**
 * Devices that `auto` tries, in order. TensorRT is left to those who ask for it by name: it builds an engine for
 * minutes each time that a session is opened.
 */
export const candidatesOf = (platform?: string, arch?: string): readonly DeviceName[] =>
  devicesOf(platform, arch).filter((device) => device !== 'tensorrt');

/**
 * Whether a provider's error says that the device's memory is full. The words of ONNX Runtime's arenas, of the CUDA,
 * DirectX and Dawn calls below them, and of the allocation failures that Core ML passes on.
 */
export function isOutOfMemory(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error);
  return OUT_OF_MEMORY.test(text);
}

const OUT_OF_MEMORY = new RegExp(
  [
    'out of (?:device |host |gpu |video )?memory',
    'Failed to allocate (?:memory|device memory)',
    'Available memory of \\d+ is smaller than requested',
    'OOM\\b',
    'cudaErrorMemoryAllocation',
    'CU(?:DNN|BLAS)_STATUS_ALLOC_FAILED',
    'CUDA (?:failure|error) 2\\b',
    'E_OUTOFMEMORY',
    '8007000E',
    'VK_ERROR_OUT_OF_(?:DEVICE|HOST)_MEMORY',
    'bad_alloc',
    'MTLCommandBufferErrorOutOfMemory',
    'not enough (?:gpu |device )?memory',
    'buffer allocation failed',
  ].join('|'),
  'i',
);

/** What keeps a device from working, as words to follow "because": from the error of the runtime. */
export function explainFailure(device: DeviceName, error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/backend not found|is unsupported|not enabled in this build/i.test(text)) {
    return `ONNX Runtime has no ${deviceTitles[device]} provider on ${process.platform}-${process.arch}`;
  }
  if (/Failed to get a WebGPU adapter/i.test(text)) {
    return 'no graphics adapter was found: no driver for it is installed, or it may not be used from here';
  }
  if (/Failed to load (?:shared )?library/i.test(text)) {
    const missing = /error: (?:\S+: )?([\w.+-]+\.so[\w.]*: cannot open[^\n]*)/.exec(text)?.[1];
    return missing
      ? `a library that it needs is missing (${missing})`
      : 'its libraries are not installed or do not load; "ap-medsam devices install-cuda" installs the ones of ONNX Runtime, CUDA 12 and cuDNN 9 come from NVIDIA';
  }
  if (isOutOfMemory(error)) return 'its memory is full';
  return firstLine(text);
}

/** The gist of a native error: without the source locations of the machine that built the library. */
function firstLine(text: string): string {
  const line = text
    .replace(/\/onnxruntime_src\/\S+ (?:[^\n]*?(?:was false\.|: ))?/g, '')
    .split('\n')
    .map((part) => part.trim())
    .find(Boolean);
  const said = (line ?? 'the runtime gave no reason').replace(/\.$/, '');
  return said.length > MOST_SAID ? `${said.slice(0, MOST_SAID)}...` : said;
}

const MOST_SAID = 240;
