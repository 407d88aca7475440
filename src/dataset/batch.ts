/** A folder through the engine: skip what is done, commit each result, report progress, survive anything. */
import { resolve } from 'node:path';
import type { StrategyId, StrategyParameters } from '../core/strategies/strategy';
import { UserError } from '../core/userError';
import type { ModelInfo, ReferenceInfo, SegmentRequest, SegmentResult } from '../protocol';
import { makeFolder } from './atomicFile';
import type { OverwritePolicy } from './batchPlan';
import type { BatchCounts, BatchOutcome, BatchProgress } from './batchProgress';
import { BatchRun } from './batchRun';
import type { ImageFailure } from './folder';
import type { WindowEngine } from './folderWindow';
import { BATCH_WRITER_PREFIX, JournalWriter } from './journal';
import { type Shard, ShardLock } from './lock';
import type { CommitStep } from './maskCommit';
import { resolveMaskFolder } from './maskFolder';
import type { Project, ProjectReference } from './project';

/** What a batch needs of the engines. Every call rejects when its signal aborts. */
export interface BatchEngine extends WindowEngine {
  /** Requests that are worth having under way at the same time; a batch never has more. */
  readonly lanes: number;
  prepareReference(
    params: Pick<SegmentRequest, 'reference' | 'strategy' | 'parameters' | 'window'>,
    options: { signal: AbortSignal },
  ): Promise<ReferenceInfo>;
  segment(request: SegmentRequest, options: { signal: AbortSignal }): Promise<SegmentResult>;
}

export interface BatchJob {
  readonly engine: BatchEngine;
  /** Absolute path of the root. */
  readonly root: string;
  readonly project: Project;
  /** The reference whose class is segmented. */
  readonly reference: ProjectReference;
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  /** The models in use; they are part of the run key. */
  readonly encoder: ModelInfo;
  readonly segmenter: ModelInfo;
  readonly overwrite: OverwritePolicy;
  /** Absolute paths of folders and images in the root; the whole root where undefined. */
  readonly targets?: readonly string[];
  /** The whole folder where undefined. */
  readonly shard?: Shard;
}

/** What became of one image. */
export interface ImageReport {
  /** Posix path relative to the root. */
  readonly image: string;
  /** Absolute path of its mask, which exists unless the outcome is `absent` or `failed`. */
  readonly mask: string;
  readonly outcome: BatchOutcome;
  /** One sentence, where the image failed. */
  readonly message?: string;
  /** The engine's answer, where it was asked and answered. */
  readonly result?: SegmentResult;
}

export interface BatchOptions {
  readonly signal?: AbortSignal;
  /** Called after each image. */
  readonly onProgress?: (progress: BatchProgress) => void;
  /** Called after each image that this shard is concerned with, in no fixed order. */
  readonly onImage?: (report: ImageReport) => void;
  /** What a person should know before the masks come, such as a fallback for a thin object. */
  readonly onNote?: (note: string) => void;
  /** Called after each step of a commit; see `CommitContext`. */
  readonly onStep?: (step: CommitStep, image: string) => void | Promise<void>;
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

const WHOLE: Shard = { index: 1, count: 1 };

/**
 * Segments the images of a root with one reference and writes their masks and journal lines. Stopped at any point and
 * started again it goes on where it was.
 *
 * An image that fails is counted and named in the summary, and the others go on. Cancelling is no error either.
 *
 * @throws UserError if the batch cannot start (no images, reference changed, shard already running) or the disk is full
 * or read-only
 */
export async function runBatch(job: BatchJob, options: BatchOptions = {}): Promise<BatchSummary> {
  const root = resolve(job.root);
  const maskFolder = resolveMaskFolder(root, job.project.maskFolder);
  const shard = job.shard ?? WHOLE;
  if (
    !(Number.isInteger(shard.count) && Number.isInteger(shard.index) && 1 <= shard.index && shard.index <= shard.count)
  ) {
    throw new RangeError(`a shard is i/n with 1 <= i <= n, got ${shard.index}/${shard.count}`);
  }
  await makeFolder(maskFolder);
  const stop = new AbortController();
  const lock = await ShardLock.acquire(root, shard, {
    onLost: () => stop.abort(new UserError(`${root}: another process took over because this one was suspended.`)),
  });
  try {
    const journal = await JournalWriter.open(root, `${BATCH_WRITER_PREFIX}${shard.index}-of-${shard.count}`);
    try {
      return await new BatchRun({ ...job, root, shard }, options, maskFolder, journal, stop).run();
    } finally {
      await journal.close();
    }
  } finally {
    await lock.release();
  }
}
