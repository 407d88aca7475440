/** The batch process of the extension: labels folders with the command line's code, away from the extension host. */
import type { EngineConfig } from './engineApi';

/** What the extension asks of the runner process. */
export interface RunnerApi {
  /**
   * Labels folders and images of one root with the stored references of its classes; answers when all is done or after
   * `stop`. One call at a time. Progress comes through `RunnerEvents` meanwhile.
   */
  labelFolder(params: FolderJob): FolderSummary;
  /** Ends the work under way cleanly: what is done stays done, and `labelFolder` answers with what that is. */
  stop(): void;
}

/** `reviewed`: every mask as well that a person has accepted or edited; `references`: the references alone. */
export type LearnFrom = 'reviewed' | 'references';

export interface FolderJob {
  /** Absolute paths of the folders and images, all in one root. */
  readonly targets: readonly string[];
  /** Classes to segment, in one pass; all that have references if left out. */
  readonly classNames?: readonly string[];
  readonly overwrite: 'replace-auto' | 'skip';
  /** What the classes are learnt from; `reviewed` if left out. */
  readonly learnFrom?: LearnFrom;
  /** Also labels masks again that are trusted less than this and were taught by other reviewed masks than today's. */
  readonly againBelow?: number;
}

/** Calls of the runner to the extension while it works. */
export interface RunnerEvents {
  /** At most ten times a second, and once at the end. */
  progress(params: FolderProgress): void;
  /** What a person should know before the masks come. */
  note(params: { note: string }): void;
}

export interface BatchCounts {
  /** Masks written by this run. */
  readonly done: number;
  /** Finished before, or left alone by the overwrite policy. */
  readonly skipped: number;
  /** Left alone because the mask is a person's. */
  readonly kept: number;
  /** Nothing in the image matched the reference. */
  readonly absent: number;
  readonly failed: number;
  /** Images of the shard. */
  readonly total: number;
}

export interface ImageFailure {
  /** Posix path relative to the root. */
  readonly image: string;
  /** One sentence. */
  readonly message: string;
}

export interface BatchSummary extends BatchCounts {
  /** Ended early by the signal; what is not counted was not touched. */
  readonly cancelled: boolean;
  readonly failures: readonly ImageFailure[];
  /** Folders that are projects of their own and were left out. */
  readonly nested: readonly string[];
  /** Journal lines that could not be read. */
  readonly brokenLines: number;
  readonly seconds: number;
}

export interface FolderProgress extends BatchCounts {
  readonly imagesPerSecond: number | null;
  readonly etaSeconds: number | null;
  /** Posix paths, relative to the root, of the images finished since the last report. */
  readonly images: readonly string[];
}

export interface FolderSummary extends BatchSummary {
  /** Absolute path of the root. */
  readonly root: string;
  /** Execution provider in use, null where no engine was asked, and engine processes. */
  readonly device: string | null;
  readonly engines: number;
}

/** How a runner process is started. */
export interface RunnerConfig {
  /** Absolute path of the engine's bundle. */
  readonly engineEntry: string;
  readonly engine: Omit<EngineConfig, 'encoder' | 'segmenter' | 'threads'>;
  /** Engine processes; 0 for as many as suit the device. */
  readonly engines: number;
}
