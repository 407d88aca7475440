/** Downloads under way in this window: each once, with a notification that shows its progress and can cancel it. */
import * as vscode from 'vscode';
import { Owner } from '../dispose';
import type { ModelClient } from '../downloads/modelClient';
import type { DownloadProgress, ModelName, NetworkSettings } from '../protocol/modelApi';

interface Job {
  readonly work: Promise<void>;
  readonly controller: AbortController;
  progress: DownloadProgress | undefined;
}

/** Between two notices to the view. */
const NOTICE_MS = 500;

export class DownloadJobs extends Owner {
  private readonly jobs = new Map<string, Job>();
  private readonly changes = this.register(new vscode.EventEmitter<void>());
  readonly onDidChange = this.changes.event;
  private notice: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Pick<ModelClient, 'download'>,
    private readonly network: () => NetworkSettings,
  ) {
    super();
    this.register({
      dispose: () => {
        clearTimeout(this.notice);
        for (const { controller } of this.jobs.values()) controller.abort(new vscode.CancellationError());
      },
    });
  }

  isRunning(name: ModelName): boolean {
    return this.jobs.has(keyOf(name));
  }

  /** "12.3 of 88.5 MB, 4.1 MB/s, 0:19 left", undefined where the model is not being downloaded. */
  textOf(name: ModelName): string | undefined {
    const job = this.jobs.get(keyOf(name));
    return job && (job.progress ? progressText(job.progress) : 'starting');
  }

  /** Downloads a model; who asks for one under way waits with it. Rejects with CancellationError when cancelled. */
  run(name: ModelName): Promise<void> {
    const running = this.jobs.get(keyOf(name));
    if (running) return running.work;
    const controller = new AbortController();
    const job: Job = {
      controller,
      progress: undefined,
      work: this.download(name, controller, (p) => this.tell(job, p)),
    };
    this.jobs.set(keyOf(name), job);
    this.changes.fire();
    const end = () => {
      this.jobs.delete(keyOf(name));
      this.changes.fire();
    };
    job.work.then(end, end);
    return job.work;
  }

  /** Stops a download; what has arrived is kept for the next one. */
  cancel(name: ModelName): void {
    this.jobs.get(keyOf(name))?.controller.abort(new vscode.CancellationError());
  }

  private async download(
    name: ModelName,
    controller: AbortController,
    tell: (progress: DownloadProgress) => void,
  ): Promise<void> {
    const options = {
      location: vscode.ProgressLocation.Notification,
      title: `Downloading ${name.id}`,
      cancellable: true,
    };
    await vscode.window.withProgress(options, async (notification, token) => {
      token.onCancellationRequested(() => this.cancel(name));
      let before = 0;
      await this.client.download(name, this.network(), {
        signal: controller.signal,
        onProgress: (progress) => {
          const now = progress.total ? (progress.received / progress.total) * 100 : 0;
          notification.report({ message: progressText(progress), increment: Math.max(0, now - before) });
          before = Math.max(before, now);
          tell(progress);
        },
      });
    });
  }

  private tell(job: Job, progress: DownloadProgress): void {
    job.progress = progress;
    this.notice ??= setTimeout(() => {
      this.notice = undefined;
      this.changes.fire();
    }, NOTICE_MS);
  }
}

const keyOf = ({ kind, id }: ModelName): string => `${kind}/${id}`;

function progressText({ phase, received, total, bytesPerSecond, etaSeconds, note }: DownloadProgress): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const rate = bytesPerSecond === null ? [] : [`${megabytes(bytesPerSecond)} MB/s`];
  const left = etaSeconds === null ? [] : [`${clock(etaSeconds)} left`];
  const state = phase === 'checking' || phase === 'connecting' ? [`${phase}...`] : [];
  const amount = `${megabytes(received)} ${total === null ? '' : `of ${megabytes(total)} `}MB`;
  return [amount, ...rate, ...left, ...state, ...(note === undefined ? [] : [note])].join(', ');
}

/** Minutes and seconds. */
function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
