/** Starts the model process when there is something to download, to import or to check, and lets it go afterwards. */
import { UserError } from '../core/userError';
import { ChildCrashError, type RunningChild, startChild, withRestarts } from '../processes/child';
import type {
  CheckedModel,
  CudaProgress,
  DownloadProgress,
  ImportRequest,
  ModelApi,
  ModelEvents,
  ModelName,
  ModelProcessConfig,
  NetworkSettings,
  UnknownFile,
} from '../protocol/modelApi';
import type { Params, Result } from '../rpc';

export interface ModelClientOptions {
  /** Absolute path of the model process's bundle. */
  readonly entry: string;
  readonly config: ModelProcessConfig;
  /** Receives what the process writes to stdout and stderr, line by line. */
  readonly log?: (line: string) => void;
  /** Asks the user about files that no hash is known for. */
  readonly confirm: (name: ModelName, files: readonly UnknownFile[]) => Promise<boolean>;
  /** Milliseconds without work after which the process ends. */
  readonly lingerMs?: number;
}

/** Given to the process to end by itself when it is not needed any more. */
const GRACE_MS = 2000;

export class ModelClient {
  private running: RunningChild<ModelApi> | undefined;
  private calls = 0;
  private idle: NodeJS.Timeout | undefined;
  private disposed = false;
  private onCuda: ((progress: CudaProgress) => void) | undefined;
  private readonly listeners = new Map<string, (progress: DownloadProgress) => void>();

  constructor(private readonly options: ModelClientOptions) {}

  /** Process id of the model process, undefined while none runs. */
  get pid(): number | undefined {
    return this.running?.process.pid;
  }

  /**
   * Downloads what is missing of a model; what has arrived is kept when aborted.
   *
   * @throws UserError in one sentence; the signal's reason when aborted
   */
  async download(
    name: ModelName,
    network: NetworkSettings,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (progress: DownloadProgress) => void } = {},
  ): Promise<void> {
    if (onProgress) this.listeners.set(keyOf(name), onProgress);
    try {
      await this.call('download', { ...name, network }, signal);
    } finally {
      this.listeners.delete(keyOf(name));
    }
  }

  /** Fetches the CUDA providers of the runtime; what has arrived is kept when aborted. */
  async installCuda(
    engineEntry: string,
    network: NetworkSettings,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (progress: CudaProgress) => void } = {},
  ): Promise<{ readonly sha256: string }> {
    this.onCuda = onProgress;
    try {
      return await this.call('installCuda', { engineEntry, network }, signal);
    } finally {
      this.onCuda = undefined;
    }
  }

  /** Takes local files as those of a known model; gives the names of those still missing. */
  async importFiles(name: ModelName, paths: readonly string[]): Promise<readonly string[]> {
    return (await this.call('importFiles', { ...name, paths })).missing;
  }

  /** Copies a model of the user's own into the home. Throws UserError where it is none, or its id is taken. */
  async importModel(request: ImportRequest): Promise<void> {
    await this.call('importModel', request);
  }

  /** Reads the files of every installed model, or of one. */
  verify(only?: ModelName): Promise<readonly CheckedModel[]> {
    return this.call('verify', only ? { only } : {});
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    clearTimeout(this.idle);
    await this.running?.stop(GRACE_MS);
  }

  private async call<M extends keyof ModelApi>(
    method: M,
    params: Params<ModelApi[M]>,
    signal?: AbortSignal,
  ): Promise<Result<ModelApi[M]>> {
    if (this.disposed) throw new Error('the model process was shut down');
    clearTimeout(this.idle);
    this.calls++;
    let answered: () => void = () => undefined;
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    try {
      return await withRestarts(() => {
        this.running ??= this.start();
        return this.running.peer.call(method, params, { ...(signal && { signal }), onAnswer: answered });
      }, signal);
    } catch (error) {
      if (error instanceof ChildCrashError) throw crash(error);
      // Cancelling is over when the process has closed its files, so that the next attempt finds them free.
      if (signal?.aborted) await Promise.race([answer, this.running?.ended]);
      throw error;
    } finally {
      this.calls--;
      if (this.calls === 0) this.idle = setTimeout(() => void this.letGo(), this.options.lingerMs ?? 10_000).unref();
    }
  }

  private async letGo(): Promise<void> {
    const child = this.running;
    this.running = undefined;
    await child?.stop(GRACE_MS);
  }

  private start(): RunningChild<ModelApi> {
    const { entry, config, log, confirm } = this.options;
    const child = startChild<ModelApi, ModelEvents>({
      name: 'model',
      entry,
      config,
      handlers: {
        progress: (progress) => this.listeners.get(keyOf(progress))?.(progress),
        cudaProgress: (progress) => this.onCuda?.(progress),
        confirm: ({ files, kind, id }) => confirm({ kind, id }, files),
      },
      log,
    });
    void child.ended.then(() => {
      if (this.running === child) this.running = undefined;
    });
    return child;
  }
}

const keyOf = ({ kind, id }: ModelName): string => `${kind}/${id}`;

function crash(error: ChildCrashError): UserError {
  const sentence = error.wasReady
    ? `The work on models ended early because its process did (${error.ending}): what was downloaded is kept, start it again to go on.`
    : `The model process could not start: ${error.lastWords}.`;
  return new UserError(sentence, { cause: error });
}
