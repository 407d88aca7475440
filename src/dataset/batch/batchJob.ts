/** What a batch is given and what it tells. */
import type { StrategyId } from '../../core/strategies';
import type { StrategyParameters } from '../../core/strategies/strategy';
import type {
  ClassesRequest,
  ModelInfo,
  ReferenceInfo,
  ReferenceRequest,
  SegmentResult,
  Shown,
} from '../../protocol/engineApi';
import type { LearnFrom } from '../../protocol/runnerApi';
import type { CommitStep } from '../commits/maskProtocol';
import type { FolderScan } from '../files/folder';
import type { WindowEngine } from '../project/folderWindow';
import type { Project, ProjectReference } from '../project/project';
import type { CheckedReference, ReferenceEngine } from '../project/reference';
import type { OverwritePolicy } from './batchPlan';
import type { BatchOutcome, BatchProgress } from './batchProgress';
import type { Shard } from './lock';

/** What a batch needs of the engines. Every call rejects when its signal aborts. */
export interface BatchEngine extends WindowEngine, ReferenceEngine {
  /** Requests that are worth having under way at the same time; a batch never has more. */
  readonly lanes: number;
  prepareReference(params: ReferenceRequest, options: { signal: AbortSignal }): Promise<ReferenceInfo>;
  segmentClasses(request: ClassesRequest, options: { signal: AbortSignal }): Promise<readonly SegmentResult[]>;
}

export interface BatchJob {
  readonly engine: BatchEngine;
  /** Absolute path of the root. */
  readonly root: string;
  readonly project: Project;
  /** The references whose classes are segmented, one per class, at least one. */
  readonly references: readonly ProjectReference[];
  /** As `checkReference` found each, where the caller has that already. */
  readonly checked?: readonly CheckedReference[];
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  /** The models in use; they are part of the run key. */
  readonly encoder: ModelInfo;
  readonly segmenter: ModelInfo;
  readonly overwrite: OverwritePolicy;
  /** `reviewed` where undefined. */
  readonly learnFrom?: LearnFrom;
  /**
   * Makes automatic masks again that are trusted less than this and were taught by other reviewed masks than today's.
   */
  readonly againBelow?: number;
  /** Absolute paths of folders and images in the root; the whole root where undefined. */
  readonly targets?: readonly string[];
  /** What `scanFolder` found of the targets, where the caller has it already. */
  readonly scan?: FolderScan;
  /** The whole folder where undefined. */
  readonly shard?: Shard;
}

/** What became of one image; also says how images were shown to the models. */
export interface ImageReport extends Shown {
  /** Posix path relative to the root. */
  readonly image: string;
  /** Absolute path of its mask, which exists unless the outcome is `absent` or `failed`. */
  readonly mask: string;
  /** Of the image as a whole, see `imageOutcome`. */
  readonly outcome: BatchOutcome;
  /** One sentence, where the image failed. */
  readonly message?: string;
  /** What became of each class, by class id. */
  readonly classes: readonly ClassReport[];
}

export interface ClassReport {
  readonly classId: number;
  readonly outcome: BatchOutcome;
  /** The engine's answer, where it was asked and answered. */
  readonly result?: SegmentResult;
}

export interface BatchOptions {
  readonly signal?: AbortSignal;
  /** Called after each image. */
  readonly onProgress?: (progress: BatchProgress) => void;
  /** Called after each image that this shard is concerned with, in no fixed order; the image's lane waits for it. */
  readonly onImage?: (report: ImageReport) => void | Promise<void>;
  /** What a person should know before the masks come, such as a fallback for a thin object. */
  readonly onNote?: (note: string) => void;
  /** Called after each step of a commit; see `ProtocolContext`. */
  readonly onStep?: (step: CommitStep, image: string) => void | Promise<void>;
}
