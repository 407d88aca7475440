/**
 * Which copy of onnxruntime-node an engine process loads. ONNX Runtime looks for provider libraries beside its own
 * library only, so CUDA support is a private copy of the package with the providers in it, not files put into
 * somebody's node_modules. Node loads one native library of a name per process: the choice is made before the process
 * starts.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { DeviceChoice } from '../protocol/deviceApi';

/** Environment variable that names the folder of the package to load; the bundled one where it is not set. */
export const RUNTIME_VARIABLE = 'AP_MEDSAM_ONNXRUNTIME';

const PACKAGE = 'onnxruntime-node';

/** Written last, so that a copy without it is an unfinished one. */
export const INSTALLED_FILE = 'installed.json';

/** Folder and version of the onnxruntime-node that a bundle of ours finds; undefined where there is none. */
export function bundledRuntime(entry: string): { readonly folder: string; readonly version: string } | undefined {
  try {
    const manifest = createRequire(entry).resolve(`${PACKAGE}/package.json`);
    return { folder: dirname(manifest), version: JSON.parse(readFileSync(manifest, 'utf8')).version };
  } catch {
    // Fakes in tests have none.
    return undefined;
  }
}

/** Folder of our private copy for one version of the runtime. */
export const cudaFolder = (home: string, version: string): string =>
  join(home, 'runtime', `${PACKAGE}-${version}-cuda12`);

/** The package inside a private copy. */
export const packageOf = (copy: string): string => join(copy, 'node_modules', PACKAGE);

/** What is written into a finished private copy. */
export interface InstalledRuntime {
  readonly version: string;
  /** Where the provider libraries came from, and the SHA-256 of what came. */
  readonly source: string;
  readonly sha256: string;
  /** SHA-256 of each provider library. */
  readonly libraries: Readonly<Record<string, string>>;
}

/** The finished private copy in the home, undefined where there is none. */
export function installedRuntime(home: string, version: string): InstalledRuntime | undefined {
  try {
    const found = JSON.parse(readFileSync(join(cudaFolder(home, version), INSTALLED_FILE), 'utf8')) as InstalledRuntime;
    return found.version === version ? found : undefined;
  } catch {
    // Not installed, or not finished.
    return undefined;
  }
}

/** Devices whose providers are in the private copy only. `auto` may come to one. */
const NEEDS_COPY: readonly DeviceChoice[] = ['auto', 'cuda', 'tensorrt'];

/**
 * What to add to the environment of an engine process.
 *
 * @param entry absolute path of the engine's bundle
 */
export function runtimeEnvironment(entry: string, home: string, device: DeviceChoice = 'cpu'): NodeJS.ProcessEnv {
  if (!NEEDS_COPY.includes(device) || process.platform !== 'linux') return {};
  const bundled = bundledRuntime(entry);
  if (!bundled || !installedRuntime(home, bundled.version)) return {};
  return { [RUNTIME_VARIABLE]: packageOf(cudaFolder(home, bundled.version)) };
}

/** The package that this process is to load, as a name or path for `require`. */
export const runtimePackage = (env: NodeJS.ProcessEnv = process.env): string => env[RUNTIME_VARIABLE] || PACKAGE;
