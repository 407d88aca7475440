/**
 * npm run soak:kills -- --rounds 1000: kills runs and their engines at every moment, while a person paints and accepts
 * masks meanwhile, and looks after each round whether anything was lost, torn, done twice or blamed on an image.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PersonCommitter } from '../../src/dataset/commits/personCommit';
import { JournalView } from '../../src/dataset/journal/journalView';
import { decodeMaskPng } from '../../src/formats/maskPng';
import {
  CROWD_SIDE,
  childrenOf,
  doneCounts,
  filesIn,
  handPainted,
  isRunning,
  journalOf,
  makeCrowd,
  type Running,
  referenceArgs,
  startCli,
} from '../cli/running';
import { seededRandom } from '../seeded';

/**
 * What is ended in a round, and how: engines at once, those that start in place of others, all of it or the run alone.
 */
export const KINDS = [
  'group',
  'cli',
  'starting cli',
  'engine',
  'engines',
  'starting engine',
  'stopped engine',
] as const;

export type Kind = (typeof KINDS)[number];

export interface SoakOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Images of a folder; when most are labelled, the next rounds have a new one. */
  readonly images?: number;
  /** Take the kinds in turn instead of at random. */
  readonly inOrder?: boolean;
  readonly onProgress?: (report: SoakReport) => void;
}

export interface SoakReport {
  readonly rounds: number;
  readonly folders: number;
  /** Processes that were killed, by kind of round. */
  readonly kills: Readonly<Record<Kind, number>>;
  readonly painted: number;
  readonly accepted: number;
  /** What must not happen, one sentence each, with the seed and round that it happened in. */
  readonly faults: readonly string[];
  readonly seconds: number;
}

/** Two engines, so that one can go on while the other is dead. */
const RUN = ['segment', 'images', ...referenceArgs(1), '--engines', '2', '--threads', '1', '--without', 'prior'];

/** Longest wait for something that always comes, however busy the machine is. */
const PATIENCE_MS = 120_000;

/**
 * Rounds on `rounds` moments; a report without faults is what is hoped for. A folder that had faults is left behind.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-soak-'));
  const soaking = new Soak(folder, options);
  const report = await soaking.run();
  if (report.faults.length === 0) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  return report;
}

class Soak {
  private readonly random: () => number;
  private readonly kills = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  private readonly faults: string[] = [];
  private readonly started = performance.now();
  private readonly home: string;
  private template: readonly string[] = [];
  private round = 0;
  private folders = 0;
  private painted = 0;
  private accepted = 0;
  /** How long a run takes here until its first image, in milliseconds. */
  private pace = 1500;

  constructor(
    private readonly folder: string,
    private readonly options: SoakOptions,
  ) {
    this.random = seededRandom(options.seed);
    this.home = path.join(folder, 'home');
  }

  async run(): Promise<SoakReport> {
    const { rounds, images = 24 } = this.options;
    await mkdir(path.join(this.folder, 'template'));
    this.template = await makeCrowd(path.join(this.folder, 'template'), images);
    while (this.round < rounds) {
      const root = path.join(this.folder, `folder-${++this.folders}`);
      await cp(path.join(this.folder, 'template'), root, { recursive: true });
      const chapter = new Chapter(root, this.template, (fault) => this.fault(`${root}: ${fault}`));
      while (this.round < rounds && chapter.open().length > images / 3) {
        this.round++;
        const kind = this.options.inOrder ? KINDS[(this.round - 1) % KINDS.length]! : this.pick(KINDS);
        await this.kill(chapter, kind);
        await chapter.check();
        this.options.onProgress?.(this.report());
      }
      await this.finish(chapter);
      this.painted += chapter.painted;
      this.accepted += chapter.accepted;
      if (this.faults.length === 0) await rm(root, { recursive: true, maxRetries: 5 });
    }
    this.options.onProgress?.(this.report());
    return this.report();
  }

  private report(): SoakReport {
    const { round: rounds, folders, kills, painted, accepted, faults } = this;
    return { rounds, folders, kills, painted, accepted, faults, seconds: (performance.now() - this.started) / 1000 };
  }

  private fault(sentence: string): void {
    this.faults.push(`seed ${this.options.seed}, round ${this.round}: ${sentence}`);
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }

  /** One run that is killed, while a person works. */
  private async kill(chapter: Chapter, kind: Kind): Promise<void> {
    const began = performance.now();
    const run = startCli([...RUN, '--json'], { cwd: chapter.root, home: this.home, group: true });
    const seen = new Set<number>();
    const look = () => {
      const children = childrenOf(run.pid);
      for (const child of children) seen.add(child);
      return children;
    };
    const person = chapter.personWhile(run, this.random, this.pace);
    if (kind === 'starting cli') {
      await sleep(this.random() * this.pace);
    } else {
      await run.labelled(1);
      this.pace = performance.now() - began;
      await sleep(this.random() * 150);
      await this.endEngines(kind, run, look);
    }
    look();
    if (kind === 'cli') run.kill('SIGKILL');
    else if (!run.isOver) run.killGroup('SIGKILL');
    this.kills[kind]++;
    const { code, signal, stdout, stderr } = await run.ended;
    await person;
    if (signal !== 'SIGKILL' && code !== 0) chapter.fault(`a run ended with ${signal ?? code}: ${stderr}`);
    chapter.noteFailures(stdout);
    const left = await stillRunning([...seen]);
    if (left.length > 0) chapter.fault(`processes were left: ${left.join(', ')}`);
  }

  private async endEngines(kind: Kind, run: Running, look: () => number[]): Promise<void> {
    const engines = look();
    if (kind === 'engine') end([this.pick(engines)]);
    else if (kind === 'engines') end(engines);
    else if (kind === 'stopped engine') {
      const one = this.pick(engines);
      end([one], 'SIGSTOP');
      await sleep(this.random() * 200);
      end([one]);
    } else if (kind === 'starting engine') {
      end([this.pick(engines)]);
      // Its successor as well, before it is ready: twice, as often as a client starts one again before it gives up.
      for (let times = 0; times < 2; times++) {
        const before = new Set(look());
        let successor: number | undefined;
        const until = performance.now() + 3000;
        while (successor === undefined && !run.isOver && performance.now() < until) {
          successor = look().find((pid) => !before.has(pid));
        }
        if (successor !== undefined) end([successor]);
      }
    } else return;
    // The run goes on without them.
    const done = countDone(run);
    await Promise.race([run.labelled(done + 2), sleep(PATIENCE_MS)]);
  }

  /** The last run completes the folder. */
  private async finish(chapter: Chapter): Promise<void> {
    const { code, stdout, stderr } = await startCli([...RUN, '--json'], { cwd: chapter.root, home: this.home }).ended;
    if (code !== 0) chapter.fault(`the last run ended with ${code}: ${stderr}`);
    chapter.noteFailures(stdout);
    await chapter.check();
    await chapter.checkComplete();
    await chapter.dispose();
  }
}

/** One folder through its runs: what a person did in it, and what must hold. */
class Chapter {
  /** Content of masks that are a person's, by image. */
  private readonly persons = new Map<string, Buffer>();
  private readonly person = new PersonCommitter({ session: 'soak' });
  painted = 0;
  accepted = 0;

  constructor(
    readonly root: string,
    private readonly images: readonly string[],
    readonly fault: (sentence: string) => void,
  ) {}

  /** Images without a mask. */
  open(): readonly string[] {
    return this.images.filter((image) => !existsSync(this.maskOf(image)));
  }

  dispose(): Promise<void> {
    return this.person.dispose();
  }

  /**
   * Paints over one image or accepts another while a run is on.
   *
   * @param paceMs how long a run takes until its first image
   */
  async personWhile(run: Running, random: () => number, paceMs: number): Promise<void> {
    await Promise.race([sleep(random() * 1.5 * paceMs), run.ended]);
    const free = this.images.filter((image) => !this.persons.has(image));
    const labelled = free.filter((image) => existsSync(this.maskOf(image)));
    if (random() < 0.5 && labelled.length > 0) await this.accept(labelled[Math.floor(random() * labelled.length)]!);
    else await this.paint(free[Math.floor(random() * free.length)]!);
  }

  /** As another program saves: whole, by renaming. */
  private async paint(image: string): Promise<void> {
    const content = handPainted(++this.painted % 40, CROWD_SIDE);
    const mask = this.maskOf(image);
    await mkdir(path.dirname(mask), { recursive: true });
    const temporary = path.join(this.root, `painted-${this.painted}`);
    await writeFile(temporary, content);
    await rename(temporary, mask);
    this.persons.set(image, content);
  }

  private async accept(image: string): Promise<void> {
    const answer = await this.person.accept(this.root, image, 1);
    if (answer.outcome !== 'accepted') return;
    this.persons.set(image, await readFile(this.maskOf(image)));
    this.accepted++;
  }

  /** No image fails because an engine died. */
  noteFailures(stdout: string): void {
    for (const line of stdout.split('\n')) {
      if (line.includes('"outcome":"failed"')) this.fault(`an image failed: ${line}`);
    }
  }

  /** Nothing is torn or lost, and what is a person's is as they left it. */
  async check(): Promise<void> {
    for (const name of await filesIn(path.join(this.root, 'masks'))) {
      if (path.basename(name).startsWith('.apmedsam-tmp-')) continue;
      const file = path.join(this.root, 'masks', name);
      try {
        const { size } = decodeMaskPng(await readFile(file), file);
        if (size.width !== CROWD_SIDE || size.height !== CROWD_SIDE) this.fault(`${name} is of another size`);
      } catch (error) {
        this.fault(`torn: ${(error as Error).message}`);
      }
    }
    for (const [image, content] of this.persons) {
      const found = await readFile(this.maskOf(image)).catch(() => undefined);
      if (!found?.equals(content)) this.fault(`a person's mask of ${image} was ${found ? 'changed' : 'lost'}`);
    }
    const view = await JournalView.read(this.root);
    for (const image of this.images) {
      const entry = view.entry(image, 1);
      if (entry?.status === 'failed') this.fault(`the journal calls ${image} failed: ${entry.error}`);
      if (entry?.mask && !existsSync(this.maskOf(image))) this.fault(`the mask of ${image} was lost`);
    }
  }

  /** Every image has its mask, made once. */
  async checkComplete(): Promise<void> {
    const missing = this.open();
    if (missing.length > 0) this.fault(`the last run left out ${missing.join(', ')}`);
    for (const [key, count] of await doneCounts(this.root)) {
      if (count > 1) this.fault(`done ${count} times: ${key}`);
    }
    if ((await journalOf(this.root)).length === 0) this.fault('the journal cannot be read');
  }

  private maskOf(image: string): string {
    return path.join(this.root, image.replace(/^images/, 'masks'));
  }
}

/** A process that has just ended by itself needs no signal. */
function end(pids: readonly (number | undefined)[], signal: NodeJS.Signals = 'SIGKILL'): void {
  for (const pid of pids) {
    try {
      if (pid !== undefined) process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

const countDone = (run: Running): number => run.output.split('"outcome":"done"').length - 1;

/** Processes that are still there after a time in which they should have gone. */
async function stillRunning(pids: readonly number[]): Promise<number[]> {
  for (let waited = 0; waited < 20_000 && pids.some(isRunning); waited += 100) await sleep(100);
  return pids.filter(isRunning);
}

export function describeReport({ rounds, folders, kills, painted, accepted, faults, seconds }: SoakReport): string {
  const told = KINDS.map((kind) => `${kind} ${kills[kind]}`).join(', ');
  return `${rounds} rounds in ${folders} folders, ${Math.round(seconds)} s; killed: ${told}; masks painted ${painted}, accepted ${accepted}; faults: ${faults.length}`;
}

const HELP = `Usage: npm run soak:kills -- [--rounds <n>] [--seed <n>] [--images <n>] [--json]

Kills runs of the command line and their engines at random moments, while a person paints and accepts masks. Checks after
each round that no mask is lost or torn, none of the person's changed, no image failed because of an engine, the journal is
readable and no process is left, and for each folder that the last run completes it and nothing was done twice.

  --rounds <n>  kills (default: 100); one takes a few seconds
  --seed <n>    another number, other moments (default: 1)
  --images <n>  images of each folder (default: 24)
  --json        print the report as JSON

Exit code 1 where there was a fault; its folder is left for a look.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      images: { type: 'string', default: '24' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [rounds, seed, images] = [values.rounds, values.seed, values.images].map(Number) as [number, number, number];
  if (![rounds, seed, images].every((value) => Number.isInteger(value) && value > 0)) {
    console.error('--rounds, --seed and --images should be whole numbers of at least 1.');
    return 2;
  }
  let told = 0;
  const report = await soak({
    rounds,
    seed,
    images,
    onProgress: (now) => {
      for (const fault of now.faults.slice(told)) console.error(fault);
      told = now.faults.length;
      if (now.rounds % 10 === 0) console.error(describeReport(now));
    },
  });
  console.log(values.json ? JSON.stringify(report) : describeReport(report));
  return report.faults.length > 0 ? 1 : 0;
}

if (path.basename(process.argv[1] ?? '') === 'kills.cjs') {
  main().then((code) => {
    process.exitCode = code;
  });
}
