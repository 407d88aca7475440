/** Devices that models run on, and the calls of the throw-away process that tries one. Types only. */

/** As a person names them; what ONNX Runtime calls its execution providers is the engine's business. */
export type DeviceName = 'cpu' | 'cuda' | 'tensorrt' | 'directml' | 'coreml' | 'webgpu';

/** `auto`: the fastest device that was tried on this machine with these models and gave what the CPU gives. */
export type DeviceChoice = 'auto' | DeviceName;

/** What came of running the models on a device and on the CPU, same input, same process, in turns. */
export interface DeviceMeasurement {
  /**
   * Largest difference from the CPU's tokens and logits, each relative to the largest magnitude there; Infinity for
   * NaN.
   */
  readonly difference: number;
  /** Median milliseconds for encoding one image and answering one prompt set. */
  readonly milliseconds: number;
  readonly cpuMilliseconds: number;
}

/**
 * The probe process, as its parent sees it. A provider that crashes or hangs takes this process along, not the engine.
 */
export interface ProbeApi {
  /** Rejects with a UserError where the device cannot be used at all. */
  measure(): DeviceMeasurement;
}

/** How a probe process is started. */
export interface ProbeConfig {
  readonly probe: DeviceName;
  /** As in EngineConfig. */
  readonly modelsDir: string;
  readonly homeDir: string;
  readonly encoder: string;
  readonly segmenter: string;
  readonly threads: number;
}
