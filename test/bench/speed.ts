/**
 * Speed on the embedded models: npm run bench:speed -- [--images 100,500] [--threads 1,2]
 *
 * Stage by stage in one engine process, then whole runs of the command line on folders of generated 512 px images.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { toRuns } from '../../src/core/pixels/mask';
import { strategyIds } from '../../src/core/strategies';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { labelledImages, summarise } from '../../src/dataset/evaluate';
import { Matcher } from '../../src/engine/matching/matcher';
import type { SegmentRequest } from '../../src/protocol/engineApi';
import { readCommandLine, wholeNumbers } from '../commandLine';
import { readMask } from '../masks';
import { seededRandom } from '../seeded';
import { environment, repository, startEngines } from './bench';
import { benches } from './benches';
import { printerOf } from './printer';

const { values } = readCommandLine(benches.speed);
const { table, say } = printerOf(values);

async function main(): Promise<void> {
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-speed-'));
  try {
    await matching();
    await stages(work);
    await endToEnd(work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Milliseconds of `count` runs after two that warm up. */
async function timed(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < count + 2; run++) {
    const started = performance.now();
    await work();
    if (run >= 2) times.push(performance.now() - started);
  }
  return times;
}

const spreadOf = (times: readonly number[]): string[] =>
  [Math.min(...times), summarise(times).median].map((ms) => ms.toFixed(1));

/** The matching graph alone, on random tokens of three encoders' sizes. */
async function matching(): Promise<void> {
  const random = seededRandom(1);
  const rows: string[][] = [];
  for (const [name, side, dim] of [
    ['DINOv2-S at 518 px: 1369 x 1369 x 384', 37, 384],
    ['embedded at 288 px: 1296 x 1296 x 128', 36, 128],
  ] as const) {
    const grid = { width: side, height: side };
    const tokens = () => ({
      grid,
      dim,
      data: Float32Array.from({ length: side * side * dim }, () => random() - 0.5),
      normalised: name.startsWith('embedded'),
    });
    const patches = Int32Array.from({ length: side * side }, (_, i) => i);
    const sets = { foreground: patches.slice(0, 200), background: patches.slice(260) };
    for (const threads of wholeNumbers(values.threads)) {
      const matcher = await Matcher.create(tokens(), sets, threads);
      const target = tokens();
      rows.push([name, String(threads), ...spreadOf(await timed(10, () => matcher.match(target)))]);
      await matcher.dispose();
    }
  }
  table('Matching, ms per target', ['tokens', 'threads', 'min', 'median'], rows);
}

/** Each stage of a segment call, on one sample set. */
async function stages(work: string): Promise<void> {
  const set = await labelledImages(path.join(repository, 'models', 'samples', 'nuclei'));
  const [reference, ...targets] = set;
  const mask = toRuns(await readMask(reference, 1));
  const rows: string[][] = [];
  let machine = '';
  for (const strategy of strategyIds) {
    for (const threads of wholeNumbers(values.threads)) {
      for (const cache of ['cold', 'warm'] as const) {
        const engine = startEngines(1, threads, path.join(work, `home-${strategy}-${threads}`));
        const base: Omit<SegmentRequest, 'image'> = {
          reference: { image: reference.image, mask },
          strategy,
          parameters: DEFAULT_PARAMETERS,
          cacheBelow: cache === 'warm' ? Number.POSITIVE_INFINITY : 0,
        };
        const prepared = performance.now();
        await engine.prepareReference(base);
        const prepareMs = performance.now() - prepared;
        for (const { image } of targets) await engine.segment({ ...base, image });
        const times = new Map<string, number[]>();
        for (let round = 0; round < 3; round++) {
          for (const { image } of targets) {
            const result = await engine.segment({ ...base, image, cacheBelow: 0 });
            for (const [stage, ms] of Object.entries(result.times)) times.set(stage, [...(times.get(stage) ?? []), ms]);
          }
        }
        const median = (stage: string) => summarise(times.get(stage) ?? [0]).median.toFixed(1);
        const info = await engine.info();
        machine = environment(info);
        rows.push([
          `${strategy}, ${threads} thread${threads > 1 ? 's' : ''}, ${cache} cache`,
          prepareMs.toFixed(0),
          ...STAGES.map(median),
          megabytes(info.peakRss),
        ]);
        await engine.dispose();
      }
    }
  }
  table(
    'Stages of one image in one engine process, median ms (reference: once per process, models loading included)',
    ['strategy', 'reference', ...STAGES, 'engine peak RSS MB'],
    rows,
  );
  say(machine);
}

const STAGES = [
  'read',
  'encode',
  'match',
  'prompts',
  'prior',
  'decode',
  'adapt',
  'trust',
  'score',
  'cluster',
  'join',
  'mask',
  'total',
];

/** The command line on folders of 512 px images, each with content of its own. */
async function endToEnd(work: string): Promise<void> {
  const counts = wholeNumbers(values.images);
  const sizes = Math.max(...counts);
  const all = path.join(work, 'all');
  await generate(all, sizes);
  const mask = path.join(repository, 'models', 'samples', 'nuclei', 'masks', 'nuclei_01.png');
  const reference = path.join(repository, 'models', 'samples', 'nuclei', 'images', 'nuclei_01.png');
  const rows: string[][] = [];
  for (const count of counts) {
    const folder = path.join(work, `set-${count}`);
    const images = path.join(folder, 'images');
    mkdirSync(images, { recursive: true });
    for (const name of readdirSync(all).slice(0, count)) linkSync(path.join(all, name), path.join(images, name));
    const args = ['segment', images, '--reference', reference, '--mask', mask];
    const home = path.join(folder, 'home');
    for (const cache of ['first run', 'again, nothing to do']) {
      const run = await measured(args, home);
      rows.push([
        `${count} images, ${cache}`,
        run.seconds.toFixed(1),
        (count / run.seconds).toFixed(1),
        megabytes(run.hostPeak),
        megabytes(Math.max(0, ...run.enginePeaks)),
        String(run.enginePeaks.length),
      ]);
    }
  }
  table(
    'End to end, command line, 512 px images, process start included',
    ['run', 'seconds', 'images/s', 'host peak RSS MB', 'largest engine peak RSS MB', 'engines'],
    rows,
  );
}

/** 512 px variations of the sample images: cropped, turned and brightened, so that no two are the same. */
async function generate(folder: string, count: number): Promise<void> {
  mkdirSync(folder);
  const samples = path.join(repository, 'models', 'samples', 'nuclei', 'images');
  const sources = readdirSync(samples);
  const random = seededRandom(5);
  for (let i = 0; i < count; i++) {
    const source = sharp(path.join(samples, sources[i % sources.length]));
    const { width, height } = await source.metadata();
    const share = 0.75 + 0.25 * random();
    const crop = { width: Math.floor(width * share), height: Math.floor(height * share) };
    await source
      .extract({
        left: Math.floor(random() * (width - crop.width)),
        top: Math.floor(random() * (height - crop.height)),
        ...crop,
      })
      .rotate(90 * Math.floor(random() * 4))
      .resize(512, 512, { fit: 'fill' })
      .linear(0.8 + 0.4 * random())
      .png({ compressionLevel: 3 })
      .toFile(path.join(folder, `image_${String(i).padStart(5, '0')}.png`));
  }
}

interface Measured {
  readonly seconds: number;
  /** Bytes; 0 where the platform has no /proc. */
  readonly hostPeak: number;
  readonly enginePeaks: readonly number[];
}

async function measured(args: readonly string[], home: string): Promise<Measured> {
  const started = performance.now();
  const child = spawn(process.execPath, [path.join(repository, 'dist', 'cli.js'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, AP_MEDSAM_HOME: home },
  });
  const peaks = new Map<number, number>();
  const watch = setInterval(() => readPeaks(child, peaks), 100);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(watch);
  if (code !== 0) throw new Error(`ap-medsam segment ended with exit code ${code}`);
  const { pid } = child;
  return {
    seconds: (performance.now() - started) / 1000,
    hostPeak: peaks.get(pid!) ?? 0,
    enginePeaks: [...peaks].filter(([process]) => process !== pid).map(([, peak]) => peak),
  };
}

/** Peak resident set sizes of a process and its children, from /proc (Linux). */
function readPeaks({ pid }: ChildProcess, peaks: Map<number, number>): void {
  if (process.platform !== 'linux') return;
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    for (const id of [pid!, ...children.map(Number)]) {
      const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, 'utf8'));
      if (peak) peaks.set(id, Number(peak[1]) * 1024);
    }
  } catch {
    // The process has just ended; its last peaks stand.
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

void main();
