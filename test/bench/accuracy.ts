/**
 * Accuracy of the strategies on labelled sets: npm run bench:accuracy -- <data dir> [<data dir> ...] [options]
 *
 * Each data folder holds one folder per set, each with images/ and masks/. Per set and seed, some references label up
 * to so many of the other images; Dice per target, mean per set, mean over sets. With `--ablation`, what each stage is
 * worth: the paired difference. A worker with an engine of its own takes one reference after the other and asks all
 * variants, so that references are prepared once and images, kept on disk, are encoded once. Each reference begins with
 * another variant: the first one waits for images that the others find encoded.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  type EvaluationEngine,
  evaluateReference,
  type LabelledImage,
  labelledImages,
  summarise,
} from '../../src/dataset/evaluate';
import { spread } from '../../src/dataset/files/spread';
import type { EnginePool } from '../../src/engineClient/pool';
import type { SegmentRequest } from '../../src/protocol/engineApi';
import { readCommandLine, wholeNumbers } from '../commandLine';
import { seededRandom } from '../seeded';
import { keyOf, type Row, rowOf } from './accuracyRows';
import { ablationTable, meanTable, setTable } from './accuracyTables';
import { chosenVariants, type Variant } from './accuracyVariants';
import { chosenModels, environment, isSeen, keepingEncodings, seededPick, setsIn, startEngines } from './bench';
import { benches } from './benches';
import { appendRow, readRows } from './rowFile';

const { values, positionals } = readCommandLine(benches.accuracy);
const seeds = wholeNumbers(values.seeds ?? values.seed);
const variants = chosenVariants(values);

/** One reference, with what votes beside it, and its targets. */
interface Job {
  readonly group: string;
  readonly set: string;
  readonly seed: number;
  /** The reference first, then as many as may vote with it in any variant. */
  readonly voters: readonly LabelledImage[];
  readonly targets: readonly LabelledImage[];
}

/** Rows by `keyOf`. */
type Measured = Map<string, Row>;

async function main(): Promise<void> {
  const jobs = await plan();
  const votesOf = new Map(variants.map(({ name, votes }) => [name, votes]));
  const known = values.out === undefined ? [] : readRows<Row>(values.out);
  const measured: Measured = new Map(known.map((row) => [keyOf(row, votesOf.get(row.variant) ?? 1), row]));
  const machine = values.report ? undefined : await measure(jobs, measured);
  const results = new Map(variants.map((variant) => [variant, rowsOf(variant, jobs, measured)]));
  if (values.json) {
    for (const row of [...results.values()].flat()) console.log(JSON.stringify(row));
  } else {
    for (const [variant, rows] of results) console.log(setTable(variant, rows));
    console.log(meanTable(results));
    for (const whole of new Set(variants.map(({ without }) => without?.whole))) {
      if (whole !== undefined) console.log(ablationTable(results, whole));
    }
  }
  const counted = `${values.references} references x up to ${values.targets} targets, seeds ${seeds.join(', ')}.`;
  (values.json ? console.error : console.log)(`\n${[counted, machine].filter(Boolean).join(' ')}`);
}

/**
 * Each reference votes with those that come next in the seeded order; what may vote is no target of any variant. Sets
 * come one after the other, so that the images of one are still on disk for its next reference.
 */
async function plan(): Promise<Job[]> {
  const mostVotes = Math.max(...variants.map(({ votes }) => votes));
  const references = Number(values.references);
  const jobs: Job[] = [];
  for (const [index, dataDir] of positionals.entries()) {
    for (const set of setsIn(dataDir, values.sets)) {
      const images = await labelledImages(path.join(dataDir, set));
      const group = index === 0 ? (isSeen(set) ? 'seen in training' : 'unseen in training') : path.basename(dataDir);
      for (const seed of seeds) {
        const pool = seededPick(images, references + mostVotes - 1, seededRandom(seed));
        for (const k of pool.slice(0, references).keys()) {
          const voters = pool.slice(k, k + mostVotes);
          const others = images.filter((image) => !voters.includes(image));
          jobs.push({ group, set, seed, voters, targets: spread(others, Number(values.targets)) });
        }
      }
    }
  }
  return jobs;
}

/** Where a job's answer of a variant on one target is kept. */
const keyIn = ({ group, set, seed, voters }: Job, { name, votes }: Variant, target: LabelledImage): string =>
  keyOf({ variant: name, group, set, seed, reference: voters[0].name, target: target.name }, votes);

/** A pair that two seeds draw counts once. */
function rowsOf(variant: Variant, jobs: readonly Job[], measured: Measured): Row[] {
  const keys = new Set(jobs.flatMap((job) => job.targets.map((target) => keyIn(job, variant, target))));
  return [...keys].flatMap((key) => measured.get(key) ?? []);
}

/** What is not measured yet; returns machine and versions. */
async function measure(jobs: readonly Job[], measured: Measured): Promise<string> {
  const home = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-bench-'));
  const models = await chosenModels(values, home);
  const pools = Array.from({ length: Number(values.engines) }, () => startEngines(1, 1, home, 2 ** 31, models));
  try {
    const queue = jobs.entries();
    const work = async (pool: EnginePool) => {
      for (const [index, job] of queue) {
        const first = index % variants.length;
        await askAll(job, [...variants.slice(first), ...variants.slice(0, first)], pool, measured);
        const dices = variants.map(
          (variant) => summarise(rowsOf(variant, [job], measured).map(({ dice }) => dice)).mean,
        );
        console.error(
          `${index + 1}/${jobs.length} ${job.group} ${job.set} seed ${job.seed}: Dice ${dices.map((dice) => dice.toFixed(3)).join(' ')}`,
        );
      }
    };
    await Promise.all(pools.map(work));
    return environment(await pools[0].info());
  } finally {
    await Promise.all(pools.map((pool) => pool.dispose()));
    rmSync(home, { recursive: true, force: true });
  }
}

/** Some variants of one reference, in this order. */
async function askAll(job: Job, order: readonly Variant[], pool: EnginePool, measured: Measured): Promise<void> {
  const { group, set, seed, voters } = job;
  const [reference] = voters;
  for (const variant of order) {
    const missing = job.targets.filter((target) => !measured.has(keyIn(job, variant, target)));
    const { engine, referenceNotes } = keeping(pool);
    const { failures } = await evaluateReference([reference, ...missing], reference, engine, {
      moreReferences: voters.slice(1, variant.votes),
      strategy: variant.strategy,
      parameters: variant.parameters,
      classId: 1,
      onScore: async (score) => {
        const place = { variant: variant.name, group, set, seed, referenceNotes: await referenceNotes() };
        const row = rowOf(place, score);
        measured.set(keyIn(job, variant, score.target), row);
        if (values.out !== undefined) appendRow(values.out, row);
      },
    });
    for (const { message } of failures) console.error(`${variant.name}: ${message}`);
  }
}

/** An engine that keeps every image's encoding on disk, and what it says of the reference. */
function keeping(pool: EnginePool): { engine: EvaluationEngine; referenceNotes: () => Promise<readonly string[]> } {
  let prepared: Promise<readonly string[]> = Promise.resolve([]);
  let isAsked = false;
  const engine = keepingEncodings(pool);
  const segment = (request: SegmentRequest, options?: { signal?: AbortSignal }) => {
    const { reference, moreReferences, strategy, parameters } = request;
    if (!isAsked) {
      isAsked = true;
      const about = { reference, ...(moreReferences && { moreReferences }), strategy, parameters };
      prepared = pool.prepareReference(about).then(({ notes }) => notes);
      // A reference that cannot be prepared fails each of its targets, which says so.
      prepared.catch(() => undefined);
    }
    return engine.segment(request, options);
  };
  return { engine: { ...engine, segment }, referenceNotes: () => prepared };
}

void main();
