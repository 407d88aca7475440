/** What the model process does when it is called: the command line's downloads, imports and checks. */
import { fetchThrough } from '../devices/cudaDownload';
import { installCuda } from '../devices/cudaSupport';
import { downloadModel } from '../models/modelDownload';
import { importFiles, importModel } from '../models/modelImport';
import { ModelStore } from '../models/modelStore';
import type {
  CheckedModel,
  ImportRequest,
  ModelApi,
  ModelEvents,
  ModelName,
  ModelProcessConfig,
} from '../protocol/modelApi';
import type { Handlers, Peer } from '../rpc';

/** Between two reports of progress. */
const REPORT_MS = 100;

export class ModelWork implements Handlers<ModelApi> {
  private readonly store: ModelStore;

  constructor(
    private readonly config: ModelProcessConfig,
    /** Calls the extension. */
    private readonly call: Peer<ModelEvents>['call'],
  ) {
    this.store = new ModelStore(config.modelsDir, config.homeDir);
  }

  async download({ kind, id, network }: Parameters<ModelApi['download']>[0], signal: AbortSignal): Promise<void> {
    await downloadModel(
      this.store,
      { kind, id },
      {
        network,
        signal,
        // The extension has no answer to give that matters here, and when it goes this process does too.
        onProgress: (progress) => void this.call('progress', progress).catch(() => undefined),
        confirm: (files) => this.call('confirm', { kind, id, files }, { signal }),
      },
    );
  }

  async installCuda({ engineEntry, network }: Parameters<ModelApi['installCuda']>[0], signal: AbortSignal) {
    let last = 0;
    return await installCuda({
      entry: engineEntry,
      home: this.config.homeDir,
      fetchFile: fetchThrough(network),
      signal,
      onProgress: (step, received, total) => {
        const now = performance.now();
        if (received !== undefined && received !== total && now - last < REPORT_MS) return;
        last = now;
        const progress = { step, received: received ?? null, total: total ?? null };
        void this.call('cudaProgress', progress).catch(() => undefined);
      },
    });
  }

  async importFiles({ kind, id, paths }: Parameters<ModelApi['importFiles']>[0], signal: AbortSignal) {
    const confirm = (files: Parameters<ModelEvents['confirm']>[0]['files']) =>
      this.call('confirm', { kind, id, files }, { signal });
    return { missing: await importFiles(this.store, { kind, id }, paths, confirm) };
  }

  async importModel(request: ImportRequest): Promise<void> {
    await importModel(this.store, request);
  }

  async verify({ only }: { readonly only?: ModelName }): Promise<CheckedModel[]> {
    const rows = await this.store.verify(only);
    return rows.map(({ entry: { kind, id }, problem }) => ({ kind, id, ...(problem !== undefined && { problem }) }));
  }
}
