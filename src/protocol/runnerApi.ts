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

export interface FolderJob {
  /** Absolute paths of the folders and images, all in one root. */
  readonly targets: readonly string[];
  /** Classes to segment, in one pass; all that have references if left out. */
  readonly classNames?: readonly string[];
  readonly overwrite: 'replace-auto' | 'skip';
}

/** Calls of the runner to the extension while it works. */
export interface RunnerEvents {
  /** At most ten times a second, and once at the end. */
  progress(params: FolderProgress): void;
  /** What a person should know before the masks come. */
  note(params: { note: string }): void;
}

export interface FolderCounts {
  readonly done: number;
  readonly skipped: number;
  readonly kept: number;
  readonly absent: number;
  readonly failed: number;
  readonly total: number;
}

export interface FolderProgress extends FolderCounts {
  readonly imagesPerSecond: number | null;
  readonly etaSeconds: number | null;
  /** Posix paths, relative to the root, of the images finished since the last report. */
  readonly images: readonly string[];
}

export interface FolderSummary extends FolderCounts {
  /** Absolute path of the root. */
  readonly root: string;
  readonly cancelled: boolean;
  /** Each image (posix path relative to the root) with one sentence. */
  readonly failures: readonly { readonly image: string; readonly message: string }[];
  /** Folders that are projects of their own and were left out. */
  readonly nested: readonly string[];
  readonly brokenLines: number;
  readonly seconds: number;
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
