/**
 * A whole model from the network to its place: once, however many processes ask for it; checked before it is used; and
 * going on where an earlier attempt stopped. Belongs into a process that may be busy, never into the extension host.
 */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../core/userError';
import { copyAtomic } from '../disk/atomicFile';
import { freeBytes } from '../disk/freeSpace';
import { sha256File } from '../disk/hashing';
import { describeHolder, LockFile, type LockOptions, readLiveHolder } from '../disk/lockFile';
import type { DownloadProgress, ModelName, NetworkSettings, UnknownFile } from '../protocol/modelApi';
import { type Fetched, fetchFile, type Patience } from './fileDownload';
import { type Confirm, unconfirmed } from './installRecord';
import type { KnownFile, ModelEntry, ModelFile } from './manifest';
import { label, sizeText } from './modelDescription';
import { looksLikeOnnx } from './modelFileCheck';
import type { LocatedModel } from './modelState';
import type { ModelStore } from './modelStore';
import { Network } from './network';
import { PartFile, partBytes, placePart, rejectPart } from './partFile';
import { TransferRate } from './transferRate';

export interface DownloadOptions {
  readonly network?: NetworkSettings;
  readonly signal?: AbortSignal;
  /** Called at most ten times a second, and whenever the phase changes. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Asked once all is there, about the files that no hash is known for; without it they are not accepted. */
  readonly confirm?: Confirm;
  readonly env?: NodeJS.ProcessEnv;
  readonly patience?: Patience;
  readonly lock?: LockOptions;
  /** Room on the disk that holds a path, in bytes. */
  readonly freeBytes?: (path: string) => Promise<number>;
}

/** Left free on the disk: a full one harms more than this program. */
const RESERVE_BYTES = 50e6;

const REPORT_MS = 100;

/** Between two looks at another process's download. */
const WAIT_MS = 500;

/**
 * Downloads what is missing of a model, damaged files included; does nothing where all is there and right. Where
 * another process is at it, waits and takes its result.
 *
 * @throws UserError in one sentence; the signal's reason when aborted. Parts are kept in both cases.
 */
export async function downloadModel(
  store: ModelStore,
  name: ModelName,
  options: DownloadOptions = {},
): Promise<ModelEntry> {
  return new ModelDownload(store, name, options).run();
}

class ModelDownload {
  private readonly signal: AbortSignal;
  private readonly report: ProgressReport;

  constructor(
    private readonly store: ModelStore,
    private readonly name: ModelName,
    private readonly options: DownloadOptions,
  ) {
    this.signal = options.signal ?? new AbortController().signal;
    this.report = new ProgressReport(name, options.onProgress ?? (() => undefined));
  }

  async run(): Promise<ModelEntry> {
    const { entry, source } = await this.store.locate(this.name);
    if (!entry.files.some(({ url }) => url !== undefined)) {
      const why = source === 'shipped' ? 'is shipped with AP-MedSAM' : 'was imported';
      throw new UserError(`The ${label(this.name)} ${why}: there is nothing to download.`);
    }
    const lost = new AbortController();
    const lock = await this.takeTurn(() => lost.abort(new UserError(this.lostLock())));
    try {
      await this.underLock(AbortSignal.any([this.signal, lost.signal]));
    } finally {
      this.report.stop();
      await lock.release();
    }
    return (await this.store.locate(this.name)).entry;
  }

  private lostLock(): string {
    return `The download of the ${label(this.name)} was taken over by another process, since this one did not answer for long.`;
  }

  /** Waits for the lock of the model, showing the progress of whoever holds it. */
  private async takeTurn(onLost: () => void): Promise<LockFile> {
    const path = this.store.lockPath(this.name);
    await this.store.openHome();
    for (;;) {
      this.signal.throwIfAborted();
      const lock = await LockFile.take(path, {}, { ...this.options.lock, onLost });
      if (lock) return lock;
      const holder = await readLiveHolder(path, this.options.lock?.staleMs);
      const located = await this.store.locate(this.name);
      const note = holder
        ? `another download of it goes on (${describeHolder(holder)})`
        : 'another download of it goes on';
      await this.measure(located);
      this.report.show('waiting', note);
      await sleep(WAIT_MS, undefined, { signal: this.signal }).catch(() => this.signal.throwIfAborted());
    }
  }

  private async underLock(signal: AbortSignal): Promise<void> {
    // Anew: whoever had the lock before may have done the work.
    const located = await this.store.locate(this.name);
    await this.measure(located);
    this.report.show('checking');
    const missing: ModelFile[] = [];
    for (const file of located.entry.files) {
      if (file.url !== undefined && !(await isRight(located.pathOf(file), file))) missing.push(file);
      signal.throwIfAborted();
    }
    if (missing.length === 0) return;
    await this.makeRoom(located, missing);

    const network = await Network.open(this.options.network, this.options.env);
    const fetched: { file: ModelFile; got: Fetched | undefined }[] = [];
    try {
      for (const file of missing) {
        const path = located.pathOf(file);
        if (await this.takeCopy(file, path)) fetched.push({ file, got: undefined });
        else fetched.push({ file, got: await this.fetch(located, file, network, signal) });
      }
    } finally {
      await network.close();
    }
    await this.askAbout(located, fetched);
    const known = fetched.flatMap(({ file, got }): KnownFile[] => (got ? [{ ...file, ...pick(got) }] : []));
    // The note first: a crash in between must not make a person confirm the same content twice.
    await this.store.writeRecord(this.name, 'downloaded', known);
    for (const file of known) await placePart(located.pathOf(file));
  }

  /** Another model may have the same file: MobileSAM's decoders share their encoder. */
  private async takeCopy({ sha256 }: ModelFile, path: string): Promise<boolean> {
    if (sha256 === undefined) return false;
    for (const other of await this.store.placesOf(sha256)) {
      if (other === path || (await sha256OrNone(other)) !== sha256) continue;
      await copyAtomic(other, path, { isPrivate: true });
      if ((await sha256OrNone(path)) === sha256) return true;
    }
    return false;
  }

  private async fetch(located: LocatedModel, file: ModelFile, network: Network, signal: AbortSignal): Promise<Fetched> {
    this.report.show('connecting');
    const { sha256, bytes } = file;
    const path = located.pathOf(file);
    const got = await fetchFile({ path, urls: network.placesOf(file.url!, file.mirrors), sha256, bytes }, network, {
      signal,
      ...(this.options.patience && { patience: this.options.patience }),
      onBytes: (received, total) => {
        this.report.set(file.role, received, total);
        this.report.show('downloading');
      },
      onRetry: (reason, pauseMs) => this.report.show('retrying', `${reason}; next attempt in ${seconds(pauseMs)}`),
      makeRoom: (needed) => this.requireRoom(path, needed),
    });
    if (sha256 === undefined && path.endsWith('.onnx')) await refuseNonsense(path, got);
    this.report.set(file.role, got.bytes, got.bytes);
    return got;
  }

  private async askAbout(
    { pathOf }: LocatedModel,
    fetched: readonly { readonly file: ModelFile; readonly got: Fetched | undefined }[],
  ): Promise<void> {
    const files = fetched.flatMap(({ file, got }): UnknownFile[] =>
      got && file.sha256 === undefined
        ? [{ file: basename(pathOf(file)), from: got.url, sha256: got.sha256, bytes: got.bytes }]
        : [],
    );
    if (files.length === 0 || (await this.options.confirm?.(files))) return;
    throw new UserError(unconfirmed(this.name, files));
  }

  /** Looks before the first byte whether everything fits, as far as the sizes are known. */
  private async makeRoom({ entry, pathOf }: LocatedModel, missing: readonly ModelFile[]): Promise<void> {
    let needed = 0;
    for (const file of missing) needed += Math.max(0, (file.bytes ?? 0) - ((await partBytes(pathOf(file))) ?? 0));
    await this.requireRoom(pathOf(entry.files[0]!), needed);
  }

  private async requireRoom(path: string, needed: number): Promise<void> {
    const free = await (this.options.freeBytes ?? freeBytes)(path);
    if (free >= needed + RESERVE_BYTES) return;
    throw new UserError(
      `The disk is too full for the ${label(this.name)}: it needs ${sizeText(needed)} and ${sizeText(RESERVE_BYTES)} to spare, and ${sizeText(free)} are free at ${path}.`,
    );
  }

  /** Takes what is on disk into the report. */
  private async measure({ entry, pathOf }: LocatedModel): Promise<void> {
    for (const file of entry.files) {
      const path = pathOf(file);
      const { bytes } = file;
      const there = (await sizeOf(path)) ?? (await partBytes(path)) ?? 0;
      this.report.set(file.role, bytes === undefined ? there : Math.min(there, bytes), bytes);
    }
  }
}

/** Sums up files and tells of them often enough. */
class ProgressReport {
  private readonly files = new Map<string, { readonly received: number; readonly total: number | undefined }>();
  private readonly rate = new TransferRate();
  private last = Number.NEGATIVE_INFINITY;
  private phase: DownloadProgress['phase'] | undefined;
  private pending: NodeJS.Timeout | undefined;

  constructor(
    private readonly name: ModelName,
    private readonly tell: (progress: DownloadProgress) => void,
  ) {}

  set(role: string, received: number, total: number | undefined): void {
    this.files.set(role, { received, total });
  }

  show(phase: DownloadProgress['phase'], note?: string): void {
    const now = performance.now();
    const all = [...this.files.values()];
    const received = all.reduce((sum, file) => sum + file.received, 0);
    const total = all.every((file) => file.total !== undefined)
      ? all.reduce((sum, file) => sum + (file.total ?? 0), 0)
      : null;
    const isNews = phase !== this.phase || note !== undefined || received === total;
    if (!isNews && now - this.last < REPORT_MS) {
      // Told a little later, since nothing more may come for long.
      this.pending ??= setTimeout(() => {
        this.pending = undefined;
        this.show(phase);
      }, REPORT_MS).unref();
      return;
    }
    this.stop();
    if (phase !== this.phase) this.rate.pause();
    this.last = now;
    this.phase = phase;
    const comes = phase === 'downloading' || phase === 'waiting';
    const bytesPerSecond = comes ? this.rate.add(now, received) : null;
    const etaSeconds = bytesPerSecond && total !== null ? (total - received) / bytesPerSecond : null;
    const { kind, id } = this.name;
    this.tell({ kind, id, phase, received, total, bytesPerSecond, etaSeconds, ...(note !== undefined && { note }) });
  }

  /** Tells nothing any more until the next `show`. */
  stop(): void {
    clearTimeout(this.pending);
    this.pending = undefined;
  }
}

/** Whether a file is there and is what it should be; one without a known hash never is. */
async function isRight(path: string, { sha256, bytes }: ModelFile): Promise<boolean> {
  if (sha256 === undefined) return false;
  const size = await sizeOf(path);
  if (size === undefined || (bytes !== undefined && size !== bytes)) return false;
  return (await sha256OrNone(path)) === sha256;
}

/** A file without a known hash must at least be a graph before a person is asked about it. */
async function refuseNonsense(path: string, { sha256, url }: Fetched): Promise<void> {
  const part = await PartFile.open(path);
  const head = await part.head(1).finally(() => part.close());
  if (looksLikeOnnx(head)) return;
  throw new UserError(
    `${url} is not an ONNX model (SHA-256 ${sha256}); the file was put aside as ${await rejectPart(path)} and is not used.`,
  );
}

const sizeOf = async (path: string): Promise<number | undefined> => (await stat(path).catch(() => undefined))?.size;

const pick = ({ sha256, bytes }: Fetched) => ({ sha256, bytes });

const sha256OrNone = (path: string): Promise<string | undefined> => sha256File(path).catch(() => undefined);

const seconds = (ms: number): string => `${Math.max(1, Math.round(ms / 1000))} s`;
