/** What the runner process does when it is called: the command line's batch with engines of its own. */
import { runBatch } from '../dataset/batch/batch';
import type { BatchProgress } from '../dataset/batch/batchProgress';
import { type ModelChoice, prepareBatch } from '../dataset/batch/batchSetUp';
import { MaskFolderGrants } from '../dataset/files/maskFolderGrants';
import type { Advice } from '../dataset/project/setUp';
import type { EnginePool } from '../engineClient/pool';
import { startPool } from '../engineClient/poolStart';
import type { FolderJob, FolderSummary, RunnerApi, RunnerConfig, RunnerEvents } from '../protocol/runnerApi';
import type { Handlers } from '../rpc';

/** Between two reports of progress. */
const REPORT_MS = 100;

const EDITOR_ADVICE: Advice = {
  giveReference: 'open a labelled image and choose "Use as Reference"',
};

export class FolderRunner implements Handlers<RunnerApi> {
  private readonly stops = new Set<AbortController>();

  constructor(
    private readonly config: RunnerConfig,
    private readonly events: RunnerEvents,
  ) {}

  async labelFolder({ targets, classNames = [], ...how }: FolderJob, aborted: AbortSignal): Promise<FolderSummary> {
    const [first, ...others] = targets;
    if (first === undefined) throw new RangeError('a folder job needs at least one target, got none');
    const stop = new AbortController();
    this.stops.add(stop);
    const reports = new ProgressReports(this.events);
    let pool: EnginePool | undefined;
    try {
      const grants = new MaskFolderGrants(this.config.engine.homeDir);
      const reference = { image: undefined, mask: undefined, classNames };
      const { job, device } = await prepareBatch(
        { targets: [first, ...others], grants, reference, advice: EDITOR_ADVICE, ...how },
        async (models) => {
          pool = await this.startEngines(models, aborted);
          return pool;
        },
      );
      const summary = await runBatch(job, {
        signal: AbortSignal.any([stop.signal, aborted]),
        onNote: (note) => this.events.note({ note }),
        onProgress: (progress) => reports.add(progress),
      });
      return { ...summary, root: job.root, device, engines: pool?.size ?? 0 };
    } finally {
      reports.flush();
      this.stops.delete(stop);
      await pool?.dispose();
    }
  }

  stop(): void {
    for (const stop of this.stops) stop.abort();
  }

  private startEngines(models: ModelChoice, signal: AbortSignal): Promise<EnginePool> {
    const { engineEntry, engine, engines } = this.config;
    const log = (line: string) => console.error(`engine: ${line}`);
    return startPool({
      entry: engineEntry,
      config: { ...engine, ...models },
      engines: engines || undefined,
      trying: { signal, log },
      log,
      onOutput: log,
    });
  }
}

/** Tells the first image at once, and the others together as often as is worth while. */
class ProgressReports {
  private images: string[] = [];
  private latest: BatchProgress | undefined;
  private pause: NodeJS.Timeout | undefined;

  constructor(private readonly events: RunnerEvents) {}

  add(progress: BatchProgress): void {
    this.images.push(progress.image);
    this.latest = progress;
    if (this.pause === undefined) this.report();
  }

  /** Tells what has not been told. */
  flush(): void {
    clearTimeout(this.pause);
    this.pause = undefined;
    if (this.images.length > 0) this.report();
    clearTimeout(this.pause);
  }

  private report(): void {
    const { image: _, ...counts } = this.latest!;
    this.events.progress({ ...counts, images: this.images });
    this.images = [];
    this.pause = setTimeout(() => {
      this.pause = undefined;
      if (this.images.length > 0) this.report();
    }, REPORT_MS);
  }
}
