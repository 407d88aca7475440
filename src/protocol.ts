/** The calls that cross a process boundary and the data they carry. Types only; everything survives structured clone. */
import type { Size } from './core/geometry';
import type { RunMask } from './core/mask';
import type { PromptCandidate } from './core/prompts';
import type { StrategyId, StrategyParameters } from './core/strategies/strategy';

/** Linear window that maps 16-bit or float intensities to 0..255; one per folder, so that all its images are alike. */
export interface IntensityWindow {
  readonly low: number;
  readonly high: number;
}

/** The labelled example. */
export interface ReferenceSpec {
  /** Absolute path of the reference image. */
  readonly image: string;
  /** Support mask in referencePx. */
  readonly mask: RunMask;
  /** SHA-256 of the image file when the mask was set; the engine refuses a file that has changed since. */
  readonly imageHash?: string;
}

export interface SegmentRequest {
  /** Absolute path of the target image. */
  readonly image: string;
  readonly reference: ReferenceSpec;
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  readonly window?: IntensityWindow;
  /** Also return rejected candidates, not just the prompts in use. */
  readonly withRejected?: boolean;
  /** Keep the image's embedding on disk when the IoU prediction is below this (0: never, Infinity: always). */
  readonly cacheBelow?: number;
}

/** The file as it was when its pixels were read. */
export interface FileStamp {
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

/** Milliseconds per stage; `total` is wall time in the engine and includes waiting for other work. */
export type StageTimes = Readonly<Record<string, number>> & { readonly total: number };

export interface SegmentResult {
  readonly size: Size;
  readonly file: FileStamp;
  /** `absent`: nothing in the target matched the reference, so no mask was drawn. */
  readonly outcome: 'mask' | 'absent';
  /** Union of all instances, in targetPx; all background when absent. */
  readonly mask: RunMask;
  /** One mask per instance where instances were prompted separately, else empty. */
  readonly instances: readonly RunMask[];
  readonly prompts: readonly PromptCandidate[];
  /** The segmenter's own estimate of the IoU of its mask, NaN where no segmenter was asked. */
  readonly iouPrediction: number;
  /** What the strategy decided on the way, in words for a person: fallbacks, degradations, choice of mask. */
  readonly notes: readonly string[];
  readonly times: StageTimes;
}

/** What a reference turned out to be. */
export interface ReferenceInfo {
  readonly size: Size;
  readonly file: FileStamp;
  /** Foreground and background patches found under the support mask. */
  readonly foregroundPatches: number;
  readonly backgroundPatches: number;
  /** Things a person should know, such as a fallback for a thin object. */
  readonly notes: readonly string[];
}

export interface ImageInfo {
  readonly size: Size;
  readonly file: FileStamp;
  /** Format as found in the content, such as `png`. */
  readonly format: string;
  /** Bits per channel in the file: 1, 2, 4, 8, 16 or 32. */
  readonly depth: number;
}

export interface EngineInfo {
  readonly pid: number;
  readonly node: string;
  readonly onnxruntime: string;
  readonly sharp: string;
  readonly libvips: string;
  readonly threads: number;
  /** Execution provider really in use, such as `cpu`. */
  readonly device: string;
  readonly encoder: ModelInfo;
  readonly segmenter: ModelInfo;
  /** Peak resident set size of the engine process so far, in bytes. */
  readonly peakRss: number;
}

export interface ModelInfo {
  readonly id: string;
  /** SHA-256 over the model's files. */
  readonly sha256: string;
}

/** The engine process, as its callers see it. */
export interface EngineApi {
  info(): EngineInfo;
  /** Size, format and depth of an image, without decoding its pixels. */
  inspectImage(params: { image: string }): ImageInfo;
  /** Window (0.5th and 99.5th percentile) over a sample of images of more than 8 bits. */
  sampleWindow(params: { images: readonly string[] }): IntensityWindow;
  /** Encodes the reference (once; later calls answer from memory) and says what it found. */
  prepareReference(params: Pick<SegmentRequest, 'reference' | 'strategy' | 'parameters' | 'window'>): ReferenceInfo;
  segment(params: SegmentRequest): SegmentResult;
  /** Writes a PNG of the image with mask outline and prompts. */
  saveOverlay(params: OverlayRequest): void;
}

export interface OverlayRequest {
  readonly image: string;
  readonly window?: IntensityWindow;
  readonly mask: RunMask;
  readonly prompts: readonly PromptCandidate[];
  /** Absolute path of the PNG to write. */
  readonly output: string;
  /** Outline colour as #rrggbb. */
  readonly colour: string;
}

/** How an engine process is started. */
export interface EngineConfig {
  /** Folder that holds the manifest and the embedded models. */
  readonly modelsDir: string;
  /** Folder of imported models and the cache, shared by extension and command line. */
  readonly homeDir: string;
  readonly encoder: string;
  readonly segmenter: string;
  readonly threads: number;
  readonly cacheBytes: number;
  /** Largest image in pixels that is decoded. */
  readonly pixelLimit: number;
}
