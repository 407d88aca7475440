/**
 * The calls that cross a process boundary and the data they carry. Types only; everything survives structured clone.
 */
import type { Size } from '../core/geometry';
import type { MaskManner, MaskQuestion } from '../core/maskFiles/maskReading';
import type { LabelRuns } from '../core/pixels/labelMap';
import type { RunMask } from '../core/pixels/mask';
import type { FloatMap } from '../core/pixels/raster';
import type { Instance } from '../core/prompting/instances';
import type { PromptCandidate } from '../core/prompting/prompts';
import type { PromptSet, SegmenterCapabilities } from '../core/prompting/segmenter';
import type { StrategyId } from '../core/strategies';
import type { StrategyParameters } from '../core/strategies/strategy';
import type { TrustParts } from '../core/tokens/trust';
import type { DeviceChoice } from './deviceApi';

/** Linear window that maps 16-bit or float intensities to 0..255; one per folder, so that all its images are alike. */
export interface IntensityWindow {
  readonly low: number;
  readonly high: number;
}

/** Bands of an image that are shown as red, green and blue, counted from 1. */
export type BandChoice = readonly [red: number, green: number, blue: number];

/** How the numbers of an image become a picture: the same for all images of a project. */
export interface Shown {
  /** For images of more than 8 bits. */
  readonly window?: IntensityWindow;
  /** For images of several bands; their first three, or the only one, if left out. */
  readonly bands?: BandChoice;
}

/** The labelled example. */
export interface ReferenceSpec {
  /** Absolute path of the reference image. */
  readonly image: string;
  /** Support mask in referencePx. */
  readonly mask: RunMask;
  /** SHA-256 of the image file when the mask was set; the engine refuses a file that has changed since. */
  readonly imageHash?: string;
  /**
   * How much it teaches beside others, greater than 0; 1 where left out. Only the ratios between the references of a
   * class mean something.
   */
  readonly weight?: number;
}

export interface SegmentRequest extends Shown {
  /** Absolute path of the target image. */
  readonly image: string;
  readonly reference: ReferenceSpec;
  /** Further references of the same class: strategies that can let them vote, the others use the first one alone. */
  readonly moreReferences?: readonly ReferenceSpec[];
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  /** Also return what an editor shows: rejected candidates, and the mask prompt. */
  readonly withDetails?: boolean;
  /**
   * Keep the image's embedding on disk when the mask is believed less than this, see `beliefIn` (0: never, Infinity:
   * always).
   */
  readonly cacheBelow?: number;
}

/** A class and what stands for it. */
export interface ClassQuestion extends Pick<SegmentRequest, 'reference' | 'moreReferences'> {
  readonly classId: number;
}

/** Several classes in one image: it is read and encoded once, and a pixel that several claim goes to one of them. */
export interface ClassesRequest extends Omit<SegmentRequest, 'reference' | 'moreReferences'> {
  /** At least one, each class once. */
  readonly classes: readonly ClassQuestion[];
}

/** What a reference is prepared for: requests that agree in this share the work. */
export type ReferenceRequest = Pick<
  SegmentRequest,
  'reference' | 'moreReferences' | 'strategy' | 'parameters' | keyof Shown
>;

/** The file as it was when its pixels were read. */
export interface FileStamp {
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

/** Milliseconds per stage; `total` is wall time in the engine and includes waiting for other work. */
type StageTimes = Readonly<Record<string, number>> & { readonly total: number };

export interface SegmentResult {
  readonly size: Size;
  readonly file: FileStamp;
  /** `absent`: nothing in the target matched the reference, or what was found is trusted less than `minTrust`. */
  readonly outcome: 'mask' | 'absent';
  /** Union of all instances, in targetPx; all background when absent. */
  readonly mask: RunMask;
  /** The objects where they were prompted separately and there is more than one, else empty. */
  readonly instances: readonly Instance[];
  readonly prompts: readonly PromptCandidate[];
  /** The IoU to be expected of the mask, as its strategy tells it; undefined where no segmenter was asked. */
  readonly iouPrediction: number | undefined;
  /**
   * How far to believe the mask, 0 to 1: the Dice to be expected of it. Missing where nothing was found, or the
   * strategy does not judge its masks.
   */
  readonly trust?: number;
  /** What trust was made of. */
  readonly trustParts?: TrustParts;
  /**
   * With details, where the strategy made one: the foreground prior that the segmenter got as mask prompt, logits on
   * the patch grid. Shown as heat map, and given again where a person moves the points.
   */
  readonly maskPrompt?: FloatMap;
  /** With details, where there was any: logits on the patch grid that the strategy added to the segmenter's answer. */
  readonly answerPrior?: FloatMap;
  /** What the strategy decided on the way, in words for a person: fallbacks, degradations, choice of mask. */
  readonly notes: readonly string[];
  /**
   * Those of the notes that are about the image file, where there are any: which page, which bands, how much is
   * missing.
   */
  readonly imageNotes?: readonly string[];
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
  /** EXIF orientation, 2 to 8, where the stored pixels are not upright; `size` is that of the upright image. */
  readonly orientation?: number;
}

/** A mask that stands for an object in an image. */
export interface ReferenceMaskRequest extends MaskQuestion {
  /** Absolute paths. */
  readonly image: string;
  readonly mask: string;
  /** Whether the mask was found, when it was read before, to be drawn on the stored pixels; else that is looked at. */
  readonly turned?: boolean;
}

export interface ReferenceMask {
  readonly info: ImageInfo;
  /** In referencePx, of the image's size. */
  readonly mask: RunMask;
  /** SHA-256 of the mask's file. */
  readonly sha256: string;
  /** How it was read; given again, the file is read alike. */
  readonly manner: MaskManner;
  readonly turned: boolean;
  /** What a person should know of how it was read. */
  readonly notes: readonly string[];
}

export interface LabelsRequest {
  /** Absolute path. */
  readonly mask: string;
  /** The classes that are known: values that are all among them are ids. */
  readonly classIds?: readonly number[];
  /** A file that a person brought from elsewhere: black on white is turned round as well. */
  readonly isForeign?: boolean;
}

/** Labels of a mask file. */
export interface FileLabels {
  readonly labels: LabelRuns;
  readonly sha256: string;
  /** How values that are no ids were taken; null where the labels are as they stand in the file. */
  readonly manner: MaskManner | null;
  /** What a person should know of how it was read. */
  readonly notes: readonly string[];
}

export interface EngineInfo {
  readonly pid: number;
  readonly node: string;
  readonly onnxruntime: string;
  readonly sharp: string;
  readonly libvips: string;
  readonly threads: number;
  /** Device really in use, such as `cpu`; `cuda + cpu` where one model had to move. */
  readonly device: string;
  /** Why it is not the one that was asked for, or not the best: sentences for a person. */
  readonly deviceNotes?: readonly string[];
  readonly encoder: ModelInfo;
  readonly segmenter: ModelInfo;
  /** What the segmenter can be asked. */
  readonly capabilities: SegmenterCapabilities;
  /** Peak resident set size of the engine process so far, in bytes. */
  readonly peakRss: number;
}

export interface ModelInfo {
  readonly id: string;
  /** SHA-256 over the model's files and settings. */
  readonly sha256: string;
}

/** The engine process, as its callers see it. */
export interface EngineApi {
  info(): EngineInfo;
  /** Size, format and depth of an image, without decoding its pixels. */
  inspectImage(params: { image: string }): ImageInfo;
  /** Window (0.5th and 99.5th percentile) over a sample of images of more than 8 bits. */
  sampleWindow(params: { images: readonly string[] } & Pick<Shown, 'bands'>): IntensityWindow;
  /** Encodes the reference (once; later calls answer from memory) and says what it found. */
  prepareReference(params: ReferenceRequest): ReferenceInfo;
  segment(params: SegmentRequest): SegmentResult;
  /**
   * Segments several classes as `segment` would each, but for the pixels that more than one claims (see `compete` of
   * core). One result per class, in order. Reading and encoding counts in the times of the first.
   */
  segmentClasses(params: ClassesRequest): readonly SegmentResult[];
  /** Writes a PNG of the image with mask outline and prompts. */
  saveOverlay(params: OverlayRequest): void;
  /** Answers prompts that a person set. The image is encoded on the first question and kept for the next ones. */
  decode(params: DecodeRequest): DecodeResult;
  /** Encodes an image that is likely to be asked about next, and keeps it like `decode` does. */
  prefetch(params: { image: string } & Shown): void;
  /** The whole image as one small picture, quickly: what is shown until the tiles are there. */
  displayOverview(params: DisplayRequest): DisplayOverview;
  /** The image as a pyramid of tiles, pixel-exact at its finest level; made once, then found on disk. */
  displayTiles(params: DisplayRequest): TileFiles;
  /** What an image looks like as a whole, as one unit vector: images of one kind have near ones. Kept on disk. */
  describeImage(params: { image: string } & Shown): ImageDescription;
  /**
   * A mask file of any kind as the pixels of one class in an image (see `readObject` of core): one drawn on the stored
   * pixels of an image with an EXIF orientation is turned upright. Throws where its size is not the image's.
   */
  readReference(params: ReferenceMaskRequest): ReferenceMask;
  /**
   * Labels of a mask file of any kind (see `readLabelMap` of core), read and decoded apart from the caller's process.
   */
  readLabels(params: LabelsRequest): FileLabels;
}

/** Calls of the engine process to its parent. */
export interface EngineEvents {
  /** Where the models are: when they were opened, and when one had to move. */
  placed(params: EngineInfo): void;
  /** Something that a person should know, a sentence; what a process writes to its streams may be anything. */
  note(params: { note: string }): void;
  /** What has the message loop, whenever that changes and now and then while there are calls; see `WorkClock`. */
  busy(params: Busy): void;
  /** The process has worked on one image for longer than `imageSeconds`. */
  overdue(params: { readonly call: number; readonly image?: string }): void;
}

export interface Busy {
  /** Number of the call whose inference keeps the process from anything else, null where none does. */
  readonly call: number | null;
  /** Models are being opened or references prepared, for whatever call: that takes as long as it takes. */
  readonly preparing: boolean;
}

/** The calls that a batch makes; a pool of engines answers these. */
export type BatchApi = Pick<
  EngineApi,
  | 'info'
  | 'inspectImage'
  | 'readReference'
  | 'sampleWindow'
  | 'prepareReference'
  | 'segment'
  | 'segmentClasses'
  | 'saveOverlay'
  | 'describeImage'
>;

export interface ImageDescription {
  readonly file: FileStamp;
  /** float32 [dim] of length 1, see `describeImage` of core. */
  readonly descriptor: Float32Array;
}

/** A question that a person asks the segmenter about one image. */
export interface DecodeRequest extends Shown {
  /** Absolute path of the image. */
  readonly image: string;
  readonly prompts: PromptSet;
  /** Judge the answer as strategy `ap-medsam` does: by how little of the mask its threshold moves. */
  readonly asApMedSam?: boolean;
  /** Logits over the whole image that are added to the answer, as its result has them. */
  readonly answerPrior?: FloatMap;
  /**
   * Draw what is expected to overlap best with the object (see `forBestDice`) instead of what is likelier meant than
   * not, where the segmenter answers for a whole class: a person's clicks may mean one object or all that are like it.
   */
  readonly bestOverlap?: boolean;
  /** Also return what the next question about the same object can be given as mask prompt. */
  readonly withMaskPrompt?: boolean;
}

export interface DecodeResult {
  /** In targetPx. */
  readonly mask: RunMask;
  readonly iouPrediction: number;
  /**
   * On request, where the segmenter takes mask prompts: the logits that `mask` was made from, at the decoder's
   * resolution.
   */
  readonly maskPrompt?: FloatMap;
  readonly file: FileStamp;
  /** What the segmenter could not be asked, and was asked instead. */
  readonly notes: readonly string[];
  /** `read` and `encode` are missing where the embedding was still in memory. */
  readonly times: StageTimes;
}

/** Without a window, images of more than 8 bits are shown through their own percentiles. */
export interface DisplayRequest extends Shown {
  /** Absolute path of the image. */
  readonly image: string;
}

export interface DisplayOverview {
  readonly info: ImageInfo;
  /** Absolute path of a PNG or JPEG of the whole, upright image, its long side at most 1024 px. */
  readonly file: string;
  /** What an image of more than 8 bits is shown through; undefined for others. */
  readonly window?: IntensityWindow;
}

/**
 * Tiles as files `<dir>/<level>/<column>_<row>.png`. Level `levels - 1` is the image itself in targetPx, each level
 * below half of the one above (rounded up), level 0 fits one tile. Tiles are `tileSize` square, cut at the right and
 * bottom. A pixel of level `levels - 1 - n` stands for exactly 2^n x 2^n pixels of the image: the last column and row
 * of a level may reach beyond the image's edge.
 */
export interface TileFiles {
  /** Absolute. */
  readonly dir: string;
  readonly tileSize: number;
  readonly levels: number;
}

export interface OverlayRequest extends Shown {
  readonly image: string;
  /** Drawn in this order. */
  readonly layers: readonly OverlayLayer[];
  /** Absolute path of the PNG to write. */
  readonly output: string;
}

interface OverlayLayer {
  readonly mask: RunMask;
  readonly prompts: readonly PromptCandidate[];
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
  /** What the models run on; the CPU if left out. */
  readonly device?: DeviceChoice;
  /** Longest time in seconds that the work on one image may take; none if left out or 0. See `WorkClock`. */
  readonly imageSeconds?: number;
  /** Print a line about each model that is opened: device, provider, memory. */
  readonly verbose?: boolean;
}
