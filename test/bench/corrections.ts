/**
 * What corrected images teach the rest of their folder: npm run bench:corrections -- <folder> [<folder> ...] [options]
 *
 * One reference labels the images of its set. Some of them are corrected, for which the truth stands, and join the
 * reference; all others are labelled again, and so on. Which are corrected is chosen in several orders. Some images are
 * held out of the choice: they are the same after every round.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { toRuns } from '../../src/core/pixels/mask';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { evaluateReference, type LabelledImage, labelledImages, summarise } from '../../src/dataset/evaluate';
import type { EnginePool } from '../../src/engineClient/pool';
import type { ReferenceSpec } from '../../src/protocol/engineApi';
import { readCommandLine, wholeNumbers } from '../commandLine';
import { readMask } from '../masks';
import { seededRandom } from '../seeded';
import { ownMilliseconds } from './accuracyRows';
import { chosenModels, environment, keepingEncodings, seededPick, setFolders, startEngines } from './bench';
import { benches } from './benches';
import { type CorrectionOrder, nextToCorrect, ORDERS } from './correctionOrder';
import { differences } from './differences';
import { meanOf, signed, three } from './figures';
import { printerOf } from './printer';
import { appendRow, readRows } from './rowFile';

const { values, positionals } = readCommandLine(benches.corrections);
const { table, say } = printerOf(values);

/** One answer after a round. */
interface Row {
  readonly order: CorrectionOrder;
  /** How many images were corrected before. */
  readonly corrected: number;
  readonly set: string;
  readonly reference: string;
  readonly target: string;
  /** Whether the target was never among those to be corrected. */
  readonly heldOut: boolean;
  readonly dice: number;
  readonly trust: number | null;
  /** Of all stages but reading and encoding. */
  readonly ms: number;
  /** What preparing the references took in this round. */
  readonly prepareMs: number;
}

/** A folder with one reference. */
interface Job {
  readonly set: string;
  readonly seed: number;
  readonly reference: LabelledImage;
  readonly heldOut: readonly LabelledImage[];
  readonly others: readonly LabelledImage[];
}

const keyOf = ({ order, corrected, set, reference, target }: Row | (Omit<Row, 'order'> & { order: string })): string =>
  JSON.stringify([order, corrected, set, reference, target]);

const steps = wholeNumbers(values.steps);

async function main(): Promise<void> {
  const known = values.out === undefined ? [] : readRows<Row>(values.out);
  const measured = new Map(known.map((row) => [keyOf(row), row]));
  const machine = values.report ? undefined : await measure(await plan(), chosenOrders(), measured);
  const rows = [...measured.values()];
  if (values.json) for (const row of rows) console.log(JSON.stringify(row));
  else report(rows);
  say(
    [
      `${values.references} references, up to ${values['held-out']} images held out and ${values.images} others, seeds ${values.seeds}.`,
      machine,
    ]
      .filter(Boolean)
      .join(' '),
  );
}

/** Throws RangeError where one is not known. */
function chosenOrders(): readonly CorrectionOrder[] {
  const names = values.orders.split(',');
  const unknown = names.find((name) => !ORDERS.some((order) => order === name));
  if (unknown !== undefined) throw new RangeError(`there is no order ${unknown}; known: ${ORDERS.join(', ')}`);
  return ORDERS.filter((order) => names.includes(order));
}

async function plan(): Promise<Job[]> {
  const jobs: Job[] = [];
  for (const { set, folder } of setFolders(positionals, values.sets)) {
    const images = await labelledImages(folder);
    for (const seed of wholeNumbers(values.seeds)) {
      const references = seededPick(images, Number(values.references), seededRandom(seed));
      for (const reference of references) {
        const rest = seededPick(
          images.filter((image) => image !== reference),
          images.length,
          seededRandom(seed + 1000),
        );
        // Of a small set a third is held out, so that something is left to correct.
        const count = Math.min(Number(values['held-out']), Math.floor(rest.length / 3));
        const others = rest.slice(count, count + Number(values.images));
        jobs.push({ set, seed, reference, heldOut: rest.slice(0, count), others });
      }
    }
  }
  return jobs;
}

/** What is not measured yet; returns machine and versions. */
async function measure(
  jobs: readonly Job[],
  orders: readonly CorrectionOrder[],
  measured: Map<string, Row>,
): Promise<string> {
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-corrections-'));
  const models = await chosenModels(values, work);
  const pool = startEngines(Number(values.engines), 1, path.join(work, 'home'), 2 ** 31, models);
  try {
    for (const [index, job] of jobs.entries()) {
      for (const order of orders) await correctInOrder(job, order, pool, measured);
      console.error(`${index + 1}/${jobs.length} ${job.set}`);
    }
    return environment(await pool.info());
  } finally {
    await pool.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}

/** One person in one folder: all rounds in one order. */
async function correctInOrder(job: Job, order: CorrectionOrder, pool: EnginePool, measured: Map<string, Row>) {
  const { reference, others, seed } = job;
  const random = seededRandom(seed);
  const describe = async ({ image }: LabelledImage) =>
    order === 'suggest' ? (await pool.describeImage({ image })).descriptor : new Float32Array(0);
  const corrected: LabelledImage[] = [];
  let trusts = new Map<string, number | null>();
  for (const step of steps) {
    if (step > others.length) break;
    const untouched = others.filter((image) => !corrected.includes(image));
    const images = await Promise.all(
      untouched.map(async (image) => ({
        name: image.name,
        trust: trusts.get(image.name) ?? null,
        descriptor: await describe(image),
      })),
    );
    const labelled = await Promise.all([reference, ...corrected].map(describe));
    const count = step - corrected.length;
    const next = count > 0 ? nextToCorrect(order, images, labelled, count, random) : [];
    corrected.push(...next.map((name) => untouched.find((image) => image.name === name)!));
    const rows = await labelAll(job, order, corrected, pool, measured);
    trusts = new Map(rows.map(({ target, trust }) => [target, trust]));
  }
}

/** Everything that is not corrected, labelled from the reference and what was corrected. */
async function labelAll(
  { set, reference, heldOut, others }: Job,
  order: CorrectionOrder,
  corrected: readonly LabelledImage[],
  pool: EnginePool,
  measured: Map<string, Row>,
): Promise<Row[]> {
  const targets = [...heldOut, ...others.filter((image) => !corrected.includes(image))];
  const place = { order, corrected: corrected.length, set, reference: reference.name };
  const rowKey = (target: LabelledImage) => JSON.stringify([...Object.values(place), target.name]);
  const keep = (row: Row) => {
    measured.set(keyOf(row), row);
    if (values.out !== undefined) appendRow(values.out, row);
  };
  // Before anything is corrected there is one answer in all orders.
  for (const target of corrected.length === 0 ? targets : []) {
    const [same] = ORDERS.flatMap(
      (other) => measured.get(JSON.stringify([other, 0, set, reference.name, target.name])) ?? [],
    );
    if (same && !measured.has(rowKey(target))) keep({ ...same, order });
  }
  const missing = targets.filter((target) => !measured.has(rowKey(target)));
  if (missing.length > 0) {
    const prepareMs = await prepare([reference, ...corrected], pool);
    const { failures } = await evaluateReference([reference, ...missing], reference, keepingEncodings(pool), {
      moreReferences: corrected,
      strategy: 'ap-medsam',
      parameters: DEFAULT_PARAMETERS,
      classId: 1,
      onScore: ({ target, dice, result: { trust, times } }) =>
        keep({
          ...place,
          target: target.name,
          heldOut: heldOut.some(({ name }) => name === target.name),
          dice,
          trust: trust ?? null,
          ms: ownMilliseconds(times),
          prepareMs,
        }),
    });
    for (const { message } of failures) console.error(message);
  }
  return targets.flatMap((target) => measured.get(rowKey(target)) ?? []);
}

/** Milliseconds until the references can label. */
async function prepare(references: readonly LabelledImage[], pool: EnginePool): Promise<number> {
  const specs: ReferenceSpec[] = [];
  for (const one of references) specs.push({ image: one.image, mask: toRuns(await readMask(one, 1)) });
  const [reference, ...moreReferences] = specs;
  const started = performance.now();
  await pool.prepareReference({
    reference,
    ...(moreReferences.length > 0 && { moreReferences }),
    strategy: 'ap-medsam',
    parameters: DEFAULT_PARAMETERS,
  });
  return performance.now() - started;
}

function report(rows: readonly Row[]): void {
  const counts = [...new Set(rows.map(({ corrected }) => corrected))].sort((a, b) => a - b);
  const orders = ORDERS.filter((order) => rows.some((row) => row.order === order));
  const header = counts.map((count) => `after ${count}`);
  const kinds = [
    ['Images held out, the same after every round', true],
    ['Images untouched so far: fewer after every round, so the differences are to the same images at the start', false],
  ] as const;
  for (const [title, heldOut] of kinds) {
    const cells = orders.flatMap((order) => {
      const of = (count: number) =>
        rows.filter((row) => row.order === order && row.corrected === count && row.heldOut === heldOut);
      const gain = (count: number) => differences(of(count), of(0), (row) => keyOf({ ...row, corrected: 0 }));
      const dices = counts.map((count) =>
        meanOf(
          of(count).map((row) => ({ ...row, value: row.dice })),
          three,
        ),
      );
      const gains = counts.map((count) => (count === 0 ? '' : meanOf(gain(count), (value) => signed(value, 3))));
      return [
        [order, 'Dice', ...dices],
        [order, 'less none corrected', ...gains],
      ];
    });
    table(title, ['corrected by', 'mean over sets', ...header], cells);
  }
  const bySet = [...new Set(rows.map(({ set }) => set))].flatMap((set) =>
    orders.map((order) => [
      set,
      order,
      ...counts.map((corrected) => {
        const own = rows.filter(
          (row) => row.set === set && row.order === order && row.corrected === corrected && row.heldOut,
        );
        return three(summarise(own.map(({ dice }) => dice)).mean);
      }),
    ]),
  );
  table('Mean Dice of the images held out', ['set', 'corrected by', ...header], bySet);
  const times = counts.map((corrected) => {
    const own = rows.filter((row) => row.corrected === corrected);
    const median = (of: (row: Row) => number) => summarise(own.map(of)).median.toFixed(0);
    return [String(1 + corrected), median(({ ms }) => ms), median(({ prepareMs }) => prepareMs)];
  });
  table('Milliseconds (median)', ['references', 'an image, after encoding', 'preparing the references'], times);
}

void main();
