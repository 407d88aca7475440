/**
 * Speed on the true architectures: npm run bench:architectures -- <folder> [--pairs S,B] [--rounds 5] [--python
 * <python>]
 *
 * The folder is what models/export made with --random: speed does not depend on weights. Whole targets, from file to
 * mask, on each pair of models, in float32 and int8; beside them, given a Python with PyTorch, the same in PyTorch
 * eager, in turns, so that what else the machine does hits all alike. Two tables:
 *
 * - A folder, as the program labels one: several processes of one thread, each reading ahead. PyTorch as its users run
 *   it, and
 *   in as many processes as ours.
 * - One target at a time, in one process of all threads, stage by stage; each after a rest: threads that wait for more
 *   work
 *   by spinning (OpenMP's do) would take the cores from the next one.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { area } from '../../src/core/geometry';
import { fromRuns, toRuns } from '../../src/core/pixels/mask';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { type LabelledImage, labelledImages, summarise } from '../../src/dataset/evaluate';
import { defaultParallelism } from '../../src/engineClient/pool';
import { readManifest } from '../../src/models/manifest';
import type { SegmentRequest, SegmentResult } from '../../src/protocol/engineApi';
import { readCommandLine } from '../commandLine';
import { readMask } from '../masks';
import { type BenchModels, environment, repository, startEngines } from './bench';
import { benches } from './benches';
import { printerOf } from './printer';

const { values, positionals } = readCommandLine(benches.architectures);
const { table, say } = printerOf(values);

interface Pair {
  readonly title: string;
  readonly encoder: string;
  readonly segmenter: string;
  /** What the peer calls the two. */
  readonly peer: readonly [encoder: string, segmenter: string];
}

const PAIRS: Readonly<Record<string, Pair>> = {
  S: {
    title: 'DINOv2-S + MobileSAM',
    encoder: 'dinov2-small',
    segmenter: 'mobile-sam',
    peer: ['small', 'mobile'],
  },
  B: { title: 'DINOv2-B + SAM-B', encoder: 'dinov2-base', segmenter: 'sam-vit-b', peer: ['base', 'b'] },
};

const PRECISIONS = { float32: '', int8: '-int8' } as const;

/** Milliseconds before each run. */
const REST = 500;

const STAGES = ['read', 'encode', 'match', 'prompts', 'embed', 'decode', 'mask', 'total'];

/** What answers one target after the other. */
interface Runner {
  readonly title: string;
  run(image: string): Promise<{ times: Readonly<Record<string, number>>; area: number; peakRss: number }>;
  /** Targets that are worth having under way at the same time. */
  readonly lanes: number;
  dispose(): Promise<void>;
}

/** What labels a folder; started anew for each, so that none holds memory in another's turn. */
interface Labeller {
  readonly title: string;
  start(): Promise<Runner[]>;
}

async function main(): Promise<void> {
  const [folder] = positionals;
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-architectures-'));
  try {
    for (const name of values.pairs.split(',')) await bench(PAIRS[name]!, path.resolve(folder), work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function bench(pair: Pair, folder: string, work: string): Promise<void> {
  const known = new Set((await readManifest(folder)).map(({ id }) => id));
  const [reference, ...targets] = await labelledImages(path.join(repository, 'models', 'samples', 'nuclei'));
  const request: Omit<SegmentRequest, 'image'> = {
    reference: { image: reference.image, mask: toRuns(await readMask(reference, 1)) },
    // One question with points alone, as the peer asks it.
    strategy: 'gbmseg',
    parameters: DEFAULT_PARAMETERS,
    cacheBelow: 0,
  };
  /** By image: the points of the last answer, for the peer. */
  const prompts: Prompts = new Map();
  const machines = new Set<string>();
  const ours = async (title: string, models: BenchModels, engines: number, threads: number): Promise<Runner> => {
    const pool = startEngines(engines, threads, path.join(work, models.encoder), 2 ** 31, models);
    await pool.prepareReference(request);
    machines.add(environment(await pool.info()));
    return {
      title,
      lanes: pool.lanes,
      run: async (image: string) => {
        const result = await pool.segment({ ...request, image });
        prompts.set(image, result.prompts);
        const { peakRss } = await pool.info();
        return { times: result.times, area: share(result), peakRss };
      },
      dispose: () => pool.dispose(),
    };
  };
  const theirs = async (threads: number) => {
    const peer = new Peer(values.python!, pair, threads, values.seed);
    machines.add(await peer.prepare(reference.image));
    return peer.runner(prompts);
  };

  const threads = Number(values.threads);
  const parallel = defaultParallelism(threads);
  const labellers: Labeller[] = [];
  const startRunners: (() => Promise<Runner>)[] = [];
  for (const [precision, suffix] of Object.entries(PRECISIONS)) {
    const models = { modelsDir: folder, encoder: `${pair.encoder}${suffix}`, segmenter: `${pair.segmenter}${suffix}` };
    const missing = [models.encoder, models.segmenter].filter((id) => !known.has(id));
    if (missing.length > 0) {
      say(`${pair.title}, ${precision}: not run, the folder has no ${missing.join(' and no ')}.`);
      continue;
    }
    const { engines, threads: each } = parallel;
    labellers.push({
      title: `ap-medsam, ${precision}, ${describe(engines, each)}`,
      start: async () => [await ours(precision, models, engines, each)],
    });
    startRunners.push(() => ours(`ap-medsam, ${precision}`, models, 1, threads));
  }
  if (startRunners.length === 0) return;
  if (values.python !== undefined) {
    for (const [processes, each] of [
      [parallel.engines, parallel.threads],
      [1, threads],
    ] as const) {
      labellers.push({
        title: `PyTorch eager, float32, ${describe(processes, each)}`,
        start: () => Promise.all(Array.from({ length: processes }, () => theirs(each))),
      });
    }
    startRunners.push(() => theirs(threads));
  }
  const runners: Runner[] = [];
  try {
    for (const start of startRunners) runners.push(await start());
    await compare(pair, runners, targets, prompts);
  } finally {
    for (const runner of runners) await runner.dispose();
  }
  const images = Array.from({ length: Number(values.images) }, (_, at) => targets[at % targets.length]!.image);
  await compareFolders(pair, labellers, images);
  say(`${[...machines].join('; ')}; ${threads} threads in all`);
}

type Prompts = Map<string, SegmentResult['prompts']>;

const describe = (processes: number, threads: number): string =>
  `${processes} process${processes > 1 ? 'es' : ''} x ${threads} thread${threads > 1 ? 's' : ''}`;

/** The same folder labelled by all in turns: wall time per target once the models are loaded and warm. */
async function compareFolders(pair: Pair, labellers: readonly Labeller[], images: readonly string[]): Promise<void> {
  const found = labellers.map(() => ({ times: [] as number[], peak: 0 }));
  for (let round = 0; round < Number(values.folders); round++) {
    for (const [index, { start }] of labellers.entries()) {
      const processes = await start();
      await setTimeout(REST);
      const workers = processes.flatMap((process) => Array<Runner>(process.lanes).fill(process));
      const label = async (count: number) => {
        let next = 0;
        const work = async (runner: Runner) => {
          while (next < count) {
            const { peakRss } = await runner.run(images[next++ % images.length]!);
            found[index]!.peak = Math.max(found[index]!.peak, peakRss);
          }
        };
        const started = performance.now();
        await Promise.all(workers.map(work));
        return (performance.now() - started) / count;
      };
      await label(workers.length);
      found[index]!.times.push(await label(images.length));
      for (const runner of processes) await runner.dispose();
    }
  }
  const perTarget = found.map(({ times }) => summarise(times).median);
  const baseline = perTarget.at(-1)!;
  const rows = labellers.map(({ title }, index) => [
    title,
    Math.min(...found[index]!.times).toFixed(0),
    perTarget[index]!.toFixed(0),
    values.python === undefined ? '-' : (baseline / perTarget[index]!).toFixed(2),
    (found[index]!.peak / 1e6).toFixed(0),
  ]);
  table(
    `${pair.title}, a folder of ${images.length}: ms per target, ${values.folders} times`,
    ['runner', 'min', 'median', 'times faster', 'peak RSS MB of each process'],
    rows,
  );
}

/** All runners in turns, on one target after the other; the first round warms up. */
async function compare(
  pair: Pair,
  runners: readonly Runner[],
  targets: readonly LabelledImage[],
  prompts: Prompts,
): Promise<void> {
  const rounds = Number(values.rounds);
  const times = runners.map(() => new Map<string, number[]>());
  const peaks = runners.map(() => 0);
  const areas = runners.map(() => [] as number[]);
  const points: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const { image } = targets[round % targets.length]!;
    for (const [index, runner] of runners.entries()) {
      await setTimeout(REST);
      const found = await runner.run(image);
      peaks[index] = found.peakRss;
      if (round === 0) continue;
      areas[index]!.push(found.area);
      for (const [stage, ms] of Object.entries(found.times)) {
        const known = times[index]!;
        known.set(stage, [...(known.get(stage) ?? []), ms]);
      }
    }
    points.push(prompts.get(image)!.length);
  }
  const median = (index: number, stage: string) => summarise(times[index]!.get(stage) ?? [0]).median;
  const baseline = runners.length - 1;
  const rows = runners.map((runner, index) => [
    runner.title,
    ...STAGES.map((stage) => median(index, stage).toFixed(stage === 'total' ? 0 : 1)),
    values.python === undefined ? '-' : (median(baseline, 'total') / median(index, 'total')).toFixed(2),
    (peaks[index]! / 1e6).toFixed(0),
    `${(100 * summarise(areas[index]!).mean).toFixed(1)} %`,
  ]);
  const range = `${Math.min(...points)} to ${Math.max(...points)}`;
  table(
    `${pair.title}, median ms of ${rounds} targets, ${range} points each`,
    ['runner', ...STAGES, 'times faster', 'peak RSS MB', 'mask area'],
    rows,
  );
}

function share({ mask }: SegmentResult): number {
  return fromRuns(mask).data.reduce((sum, value) => sum + value, 0) / area(mask.size);
}

/** test/bench/peers/torch_pipeline.py, asked line by line. */
class Peer {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly answers: AsyncIterator<string>;

  constructor(python: string, pair: Pair, threads: number, seed: string) {
    const [encoder, segmenter] = pair.peer;
    const script = path.join(repository, 'test', 'bench', 'peers', 'torch_pipeline.py');
    const args = ['--encoder', encoder, '--segmenter', segmenter, '--threads', String(threads), '--seed', seed];
    this.child = spawn(python, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** Returns its versions. */
  async prepare(reference: string): Promise<string> {
    return (await this.ask({ reference })).versions as string;
  }

  runner(prompts: Prompts): Runner {
    return {
      title: 'PyTorch eager, float32',
      lanes: 1,
      run: async (image) => {
        const kept = prompts.get(image)!;
        const answer = await this.ask({
          image,
          points: kept.map(({ point }) => [point.x, point.y]),
          labels: kept.map(({ label }) => label),
        });
        return answer as unknown as Awaited<ReturnType<Runner['run']>>;
      },
      dispose: async () => {
        this.child.stdin.end();
      },
    };
  }

  private async ask(request: unknown): Promise<Record<string, unknown>> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error('the PyTorch peer has ended, see above');
    return JSON.parse(value) as Record<string, unknown>;
  }
}

void main();
