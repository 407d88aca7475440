/** Reads many damaged files as the product does, and tells what no file may do to it. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../src/core/random';
import { UserError } from '../../src/core/userError';
import { EngineClient } from '../../src/engineClient/client';
import { mutated, oneOf } from './mutate';
import { type Kind, kinds, repository } from './mutationInputs';

export interface SoakOptions {
  readonly inputs: number;
  /** Number of the first input; 0 where undefined. */
  readonly first?: number;
  readonly seed: number;
  /** Engine processes, each of which reads one file at a time. */
  readonly engines: number;
  /** Names of kinds; all where undefined. */
  readonly only?: readonly string[];
  /** Folder for the files that did what none may. */
  readonly keep?: string;
  /** Longest that a file may take, in milliseconds, and most memory that a process may take, in bytes. */
  readonly mostMs: number;
  readonly mostBytes: number;
  readonly onProgress?: (done: number) => void;
}

export type Offence = 'crash' | 'hang' | 'trace' | 'memory';

export interface Finding {
  readonly offence: Offence;
  readonly kind: string;
  /** Number of the input: with the seed it makes the same file again. */
  readonly input: number;
  readonly message: string;
}

export interface SoakReport {
  readonly inputs: number;
  readonly seed: number;
  readonly seconds: number;
  /** Inputs by kind, and how many of these were read without complaint. */
  readonly kinds: Readonly<Record<string, { inputs: number; read: number }>>;
  readonly findings: readonly Finding[];
}

/** Kinds of which a whole file is refused: their damage would tell nothing. */
export async function refusedWhole(only: readonly string[]): Promise<readonly string[]> {
  const work = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-soak-'));
  const place = {
    folder: path.join(work, 'one'),
    engine: engineWith(path.join(repository, 'models'), work),
    withModels: () => Promise.resolve(),
  };
  const refused: string[] = [];
  try {
    for (const { name, seeds, read } of await kinds(path.join(work, 'seeds'))) {
      if (!only.includes(name)) continue;
      for (const seed of seeds) {
        await mkdir(place.folder, { recursive: true });
        await read(seed, place).catch((error: unknown) => void refused.push(`${name}: ${String(error)}`));
        await rm(place.folder, { recursive: true, force: true });
      }
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return refused;
}

/** A person cannot use a longer sentence. */
const LONGEST = 1500;

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const started = performance.now();
  const work = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-soak-'));
  try {
    const all = await kinds(path.join(work, 'seeds'));
    const chosen = all.filter(({ name }) => options.only?.includes(name) ?? true);
    const run = new SoakRun(options, chosen, work);
    await Promise.all(Array.from({ length: options.engines }, (_, lane) => run.lane(lane)));
    const seconds = (performance.now() - started) / 1000;
    const findings = run.findings.sort((a, b) => a.input - b.input);
    return { inputs: options.inputs, seed: options.seed, seconds, kinds: run.counts, findings };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

class SoakRun {
  readonly findings: Finding[] = [];
  readonly counts: Record<string, { inputs: number; read: number }> = {};
  private next: number;
  private readonly end: number;

  constructor(
    private readonly options: SoakOptions,
    private readonly kinds: readonly Kind[],
    private readonly work: string,
  ) {
    this.next = options.first ?? 0;
    this.end = this.next + options.inputs;
  }

  async lane(lane: number): Promise<void> {
    let engine = engineWith(path.join(repository, 'models'), this.work);
    try {
      await engine.info();
      while (this.next < this.end) {
        const input = this.next++;
        const wasSpoilt = await this.read(input, path.join(this.work, `${lane}`), engine);
        if (wasSpoilt) {
          await engine.dispose();
          engine = engineWith(path.join(repository, 'models'), this.work);
          await engine.info();
        }
        this.options.onProgress?.(input + 1);
      }
    } finally {
      await engine.dispose();
    }
  }

  /** Reads one input, and says whether the engine had better be replaced. */
  private async read(input: number, folder: string, engine: EngineClient): Promise<boolean> {
    const { seed, mostBytes } = this.options;
    const random = seededRandom(seed * 1_000_003 + input);
    const kind = oneOf(
      random,
      this.kinds.flatMap((one) => Array<Kind>(one.weight).fill(one)),
    );
    const mostMs = this.options.mostMs * (kind.patience ?? 1);
    const bytes = mutated(oneOf(random, kind.seeds), kind.seeds, kind.isText, random);
    this.counts[kind.name] ??= { inputs: 0, read: 0 };
    const count = this.counts[kind.name]!;
    count.inputs++;
    await mkdir(folder, { recursive: true });
    const found = (offence: Offence, message: string) =>
      this.found({ offence, kind: kind.name, input, message }, bytes);
    const pid = engine.pid;
    const began = performance.now();
    const reading = kind.read(bytes, { folder, engine, withModels: (dir, use) => this.withModels(dir, use) }).then(
      () => void count.read++,
      (error: unknown) => complaintAbout(error),
    );
    const complaint = await Promise.race([reading, sleep(mostMs, 'late' as const, { ref: false })]);
    const milliseconds = performance.now() - began;
    const isLate = complaint === 'late' || milliseconds > mostMs;
    if (isLate) await found('hang', `${Math.round(milliseconds)} ms`);
    else if (typeof complaint === 'object') await found(complaint.offence, complaint.message);
    if (!isLate && engine.pid !== pid) await found('crash', 'the engine that had started is another one now');
    const [own, engines] = [process.memoryUsage.rss(), peakOf(engine.pid)];
    if (Math.max(own, engines) > mostBytes)
      await found('memory', `${own} bytes here, ${engines} in the engine at most`);
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    return isLate || engines > mostBytes;
  }

  private async withModels(modelsDir: string, use: (engine: EngineClient) => Promise<unknown>): Promise<void> {
    const engine = engineWith(modelsDir, this.work);
    try {
      await use(engine);
    } finally {
      await engine.dispose();
    }
  }

  private async found(finding: Finding, bytes: Buffer): Promise<void> {
    this.findings.push(finding);
    const { keep, seed } = this.options;
    if (keep === undefined) return;
    await mkdir(keep, { recursive: true });
    await writeFile(path.join(keep, `${finding.offence}-${finding.kind}-${seed}-${finding.input}`), bytes);
  }
}

/** An engine that starts with its first call. */
function engineWith(modelsDir: string, work: string): EngineClient {
  return new EngineClient({
    entry: path.join(repository, 'dist', 'engine.js'),
    config: {
      modelsDir,
      homeDir: path.join(work, 'home'),
      encoder: 'embedded',
      segmenter: 'embedded',
      threads: 1,
      cacheBytes: 10_000_000,
      pixelLimit: 268_402_689,
    },
    restartDelayMs: 0,
  });
}

/** What is wrong with how a file was refused; undefined where it was one sentence for a person. */
function complaintAbout(error: unknown): { offence: Offence; message: string } | undefined {
  const message = error instanceof Error ? error.message : String(error);
  if (/crashed|could not start/.test(message)) return { offence: 'crash', message };
  const isSentence = error instanceof UserError && !/\n|^\s+at /.test(message) && message.length <= LONGEST;
  return isSentence ? undefined : { offence: 'trace', message: error instanceof Error ? `${error.stack}` : message };
}

/** Most memory that a process has held so far; 0 where the system does not tell. */
function peakOf(pid: number | undefined): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    // Not Linux, or the process is gone.
    return 0;
  }
}
