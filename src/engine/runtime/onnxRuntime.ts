/** ONNX Runtime itself, with what is measured about its settings. The only importer of onnxruntime-node. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as OnnxRuntime from 'onnxruntime-node';
import { providerNames } from '../../devices/devices';
import { runtimePackage } from '../../devices/runtimeFolder';
import type { DeviceName } from '../../protocol/deviceApi';

// Not a static import: with CUDA support installed the package comes from our private copy of it. Bundles are CommonJS
// and know their file; tests run this file as a module and find the package from the repository's root.
const here = typeof __filename === 'string' ? __filename : join(process.cwd(), 'package.json');
const runtime = createRequire(here)(runtimePackage()) as typeof OnnxRuntime;

export type Tensor = OnnxRuntime.Tensor;
export const Tensor: typeof OnnxRuntime.Tensor = runtime.Tensor;

export const runtimeVersion = (): string => runtime.env.versions.node ?? runtime.env.versions.common;

/** What makes sessions; a test puts its own in place to play a device's failures. */
export interface SessionFactory {
  create(model: Uint8Array | string, options: NativeOptions): Promise<NativeSession>;
}

/** The library takes both kinds of source, which its types keep apart. */
export const onnxRuntime: SessionFactory = {
  create: (model, options) => runtime.InferenceSession.create(model as Uint8Array, options),
};

type NativeOptions = OnnxRuntime.InferenceSession.SessionOptions;
export type ValueMetadata = OnnxRuntime.InferenceSession.ValueMetadata;
export type NativeSession = Pick<OnnxRuntime.InferenceSession, 'run' | 'release' | 'inputMetadata' | 'outputMetadata'>;

/** How a model is run, as far as settings of the library depend on it. */
export interface RunOptions {
  readonly device: DeviceName;
  readonly threads: number;
  /**
   * Runs int8 weights as they are instead of inserting quantise/dequantise kernels: 1.8 times faster on such models.
   */
  readonly int8Weights?: boolean;
}

export function nativeOptions({ device, threads, int8Weights = false }: RunOptions): NativeOptions {
  return {
    // Nodes that a provider does not know run on the next one; the CPU comes last by itself.
    ...(device !== 'cpu' && {
      executionProviders:
        device === 'tensorrt' ? [providerNames.tensorrt, providerNames.cuda] : [providerNames[device]],
    }),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // DirectML cannot work with memory patterns (ONNX Runtime's documentation of it).
    ...(device === 'directml' && { enableMemPattern: false }),
    logSeverityLevel: 3,
    extra: {
      session: {
        // Spinning threads starve the other engine processes (runtime measurements: two spinning ones lose to one).
        // What bridges the gap between two nodes does not, and makes graphs of hundreds of nodes faster.
        intra_op: { spin_duration_us: '20' },
        force_spinning_stop: '1',
        // A kernel of the CPU provider's; elsewhere the weights are unpacked on the device.
        ...(int8Weights && device === 'cpu' ? { disable_quant_qdq: '1' } : {}),
        // Weights outside the arena: inside, each of its doublings may leave as much unused as they need.
        ...(device === 'cuda' || device === 'tensorrt' ? { use_device_allocator_for_initializers: '1' } : {}),
      },
    },
  };
}
