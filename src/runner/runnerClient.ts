/** Batches of the extension: starts the runner process on first use and ends it when there is no more to do. */
import { UserError } from '../core/userError';
import { findRoot } from '../dataset/files/folder';
import { ChildCrashError, type RunningChild, startChild, withRestarts } from '../processes/child';
import type {
  BatchCounts,
  FolderJob,
  FolderProgress,
  FolderSummary,
  RunnerApi,
  RunnerConfig,
  RunnerEvents,
} from '../protocol/runnerApi';

export interface RunnerClientOptions {
  /** Absolute path of the runner's bundle. */
  readonly entry: string;
  /** A function is asked at each start. */
  readonly config: RunnerConfig | (() => RunnerConfig);
  /** Receives what runner and engines write to stdout and stderr, line by line. */
  readonly log?: (line: string) => void;
  /** Milliseconds that a cancelled job may take to end by itself before the process is killed. */
  readonly cancelGraceMs?: number;
  /** Milliseconds without work after which the process ends; the next job starts another. */
  readonly lingerMs?: number;
  /** Milliseconds that `dispose` waits for the process to go by itself. */
  readonly disposeGraceMs?: number;
}

interface LabelOptions {
  /** Cancels the job: it ends with what is done. */
  readonly signal?: AbortSignal;
  /** Called when the job's turn has come. */
  readonly onBegin?: () => void;
  /** Called at most ten times a second, and for the last image. */
  readonly onProgress?: (progress: FolderProgress) => void;
  /** What a person should know before the masks come. */
  readonly onNote?: (note: string) => void;
}

const NOTHING: BatchCounts = { done: 0, skipped: 0, kept: 0, absent: 0, failed: 0, total: 0 };

/**
 * One job runs at a time, since one has use for all cores; others wait for their turn in the order of their calls. A
 * crash of the process ends its job alone.
 */
export class RunnerClient {
  private running: RunningChild<RunnerApi> | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  /** Whom the events of the process concern. */
  private current: LabelOptions = {};
  private idle: NodeJS.Timeout | undefined;
  private disposed = false;

  constructor(private readonly options: RunnerClientOptions) {}

  /** Process id of the runner, undefined while none runs. */
  get pid(): number | undefined {
    return this.running?.process.pid;
  }

  /**
   * Labels the targets of a job. Cancelling is no error: the summary says so, and is there at once where the job was
   * still waiting for its turn.
   *
   * @throws UserError if the job cannot start or the process ends on its own; what is done is kept in any case
   */
  labelFolder(job: FolderJob, options: LabelOptions = {}): Promise<FolderSummary> {
    const { signal } = options;
    let begun = false;
    const work = this.queue.then(() => {
      begun = true;
      return signal?.aborted ? this.cancelled(job) : this.run(job, options);
    });
    this.queue = work.catch(() => undefined);
    return new Promise((resolve, reject) => {
      work.then(resolve, reject);
      const leave = () => {
        if (!begun) this.cancelled(job).then(resolve, reject);
      };
      signal?.addEventListener('abort', leave, { once: true });
      work.catch(() => undefined).finally(() => signal?.removeEventListener('abort', leave));
    });
  }

  /**
   * Lets the process go, kills it if it stays, and resolves when it is gone. Jobs reject; they can be taken up later.
   */
  async dispose(): Promise<void> {
    this.disposed = true;
    clearTimeout(this.idle);
    await this.running?.stop(this.options.disposeGraceMs ?? 2000);
  }

  private async run(job: FolderJob, options: LabelOptions): Promise<FolderSummary> {
    if (this.disposed) throw new Error('the runner was shut down');
    clearTimeout(this.idle);
    const { signal, onBegin, onProgress } = options;
    let counts = NOTHING;
    this.current = {
      ...options,
      onProgress: (progress) => {
        counts = progress;
        onProgress?.(progress);
      },
    };
    onBegin?.();
    let overstay: NodeJS.Timeout | undefined;
    const stop = () => {
      const child = this.running;
      overstay = setTimeout(() => child && this.kill(child), this.options.cancelGraceMs ?? 10_000);
      // Where the process has gone meanwhile, the call below tells.
      child?.peer.call('stop', undefined).catch(() => undefined);
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await withRestarts(async () => {
        // Cancelled before the process that was killed could be started again.
        if (overstay !== undefined) return await this.cancelled(job, counts);
        this.running ??= this.start();
        return await this.running.peer.call('labelFolder', job);
      });
    } catch (error) {
      if (!(error instanceof ChildCrashError)) throw error;
      if (overstay !== undefined) return await this.cancelled(job, counts);
      throw crash(error, job);
    } finally {
      clearTimeout(overstay);
      signal?.removeEventListener('abort', stop);
      this.current = {};
      this.idle = setTimeout(() => void this.letGo(), this.options.lingerMs ?? 30_000).unref();
    }
  }

  private kill(child: RunningChild<RunnerApi>): void {
    this.options.log?.('the batch did not stop in time; its process is killed');
    child.process.kill('SIGKILL');
  }

  private async letGo(): Promise<void> {
    const child = this.running;
    this.running = undefined;
    await child?.stop(this.options.disposeGraceMs ?? 2000);
  }

  /** The summary of a job that could not make its own. */
  private async cancelled({ targets }: FolderJob, counts: BatchCounts = NOTHING): Promise<FolderSummary> {
    const { done, skipped, kept, absent, failed, total } = counts;
    return {
      ...{ done, skipped, kept, absent, failed, total },
      root: await findRoot(targets[0]).catch(() => targets[0]),
      cancelled: true,
      failures: [],
      nested: [],
      brokenLines: 0,
      seconds: 0,
      device: null,
      engines: this.config.engines,
    };
  }

  private get config(): RunnerConfig {
    const { config } = this.options;
    return typeof config === 'function' ? config() : config;
  }

  private start(): RunningChild<RunnerApi> {
    const { entry, log } = this.options;
    const { config } = this;
    const child = startChild<RunnerApi, RunnerEvents>({
      name: 'batch',
      entry,
      config,
      handlers: {
        progress: (progress) => this.current.onProgress?.(progress),
        note: ({ note }) => this.current.onNote?.(note),
      },
      log,
    });
    void child.ended.then(() => {
      if (this.running === child) this.running = undefined;
    });
    return child;
  }
}

function crash(error: ChildCrashError, { targets }: FolderJob): UserError {
  const sentence = error.wasReady
    ? `Labelling ${targets[0]} ended early because its process did (${error.ending}): what is done is kept, start it again to go on.`
    : `Labelling ${targets[0]} could not start: ${error.lastWords}.`;
  return new UserError(sentence, { cause: error });
}
