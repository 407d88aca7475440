/**
 * What changes between pictures of one folder: npm run bench:shifts -- <folder> [<folder> ...] [options]
 *
 * A reference labels other images of its set, as they are and changed: in their light, and in where and how large
 * things lie. The reference is never changed. What a change costs is the difference to the same targets unchanged.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { isEmpty } from '../../src/core/pixels/mask';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { evaluateReference, type LabelledImage, labelledImages, summarise } from '../../src/dataset/evaluate';
import { spread } from '../../src/dataset/files/spread';
import type { EnginePool } from '../../src/engineClient/pool';
import { readCommandLine, wholeNumbers } from '../commandLine';
import { readMask } from '../masks';
import { seededRandom } from '../seeded';
import { ownMilliseconds } from './accuracyRows';
import { chosenModels, environment, seededPick, setFolders, startEngines } from './bench';
import { benches } from './benches';
import { differences } from './differences';
import { meanOf, signed, three } from './figures';
import { printerOf } from './printer';
import { appendRow, readRows } from './rowFile';
import { type Shift, shifted, shifts } from './shiftKinds';

const { values, positionals } = readCommandLine(benches.shifts);
const { table, say } = printerOf(values);

/** Kinds that differ in what a change of place does to them, four of them known to the decoder's training or near. */
const USUAL_SETS = [
  ...['embryo', 'wbc_krd', 'conveyor_belt', 'mushroom', 'prostate_gland', 'pipe_end', 'hydroponic_plant'],
  ...['text_line_handwritten', 'dsb_fluo', 'cxr_lung', 'lung_ct', 'busi_benign'],
];

interface Row {
  readonly change: string;
  readonly set: string;
  readonly reference: string;
  readonly target: string;
  readonly dice: number;
  readonly trust: number | null;
  /** Of all stages but reading and encoding. */
  readonly ms: number;
}

/** One reference and its targets; a pair that two seeds draw counts once. */
interface Job {
  readonly set: string;
  readonly reference: LabelledImage;
  readonly targets: readonly LabelledImage[];
}

const UNCHANGED = 'unchanged';

const keyOf = ({ change, set, reference, target }: Pick<Row, 'change' | 'set' | 'reference' | 'target'>): string =>
  JSON.stringify([change, set, reference, target]);

async function main(): Promise<void> {
  const chosen = chosenShifts(values.changes);
  const jobs = await plan();
  const measured = new Map((values.out === undefined ? [] : readRows<Row>(values.out)).map((row) => [keyOf(row), row]));
  const machine = values.report ? undefined : await measure(jobs, chosen, measured);
  const keys = new Set(
    jobs.flatMap(({ set, reference, targets }) =>
      chosen.flatMap((change) =>
        targets.map((target) => keyOf({ change: change.name, set, reference: reference.name, target: target.name })),
      ),
    ),
  );
  const rows = [...keys].flatMap((key) => measured.get(key) ?? []);
  if (values.json) for (const row of rows) console.log(JSON.stringify(row));
  else report(rows);
  const counted = `${values.references} references x up to ${values.targets} targets, seeds ${values.seeds}.`;
  say([counted, machine].filter(Boolean).join(' '));
}

/** The changes that were asked for, and always the targets as they are. Throws RangeError for one that is not known. */
function chosenShifts(wanted: string | undefined): readonly Shift[] {
  if (wanted === undefined) return shifts;
  const names = wanted.split(';');
  const unknown = names.find((name) => !shifts.some((shift) => shift.name === name));
  if (unknown !== undefined) {
    throw new RangeError(`there is no change "${unknown}"; known: ${shifts.map(({ name }) => name).join('; ')}`);
  }
  return shifts.filter(({ name }) => name === UNCHANGED || names.includes(name));
}

async function plan(): Promise<Job[]> {
  const jobs: Job[] = [];
  for (const { set, folder } of setFolders(positionals, values.sets, USUAL_SETS)) {
    const images = await labelledImages(folder);
    for (const seed of wholeNumbers(values.seeds)) {
      for (const reference of seededPick(images, Number(values.references), seededRandom(seed))) {
        const others = images.filter((image) => image !== reference);
        jobs.push({ set, reference, targets: spread(others, Number(values.targets)) });
      }
    }
  }
  return jobs;
}

/** What is not measured yet; returns machine and versions. */
async function measure(jobs: readonly Job[], chosen: readonly Shift[], measured: Map<string, Row>): Promise<string> {
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-shifts-'));
  const pool = startEngines(
    Number(values.engines),
    1,
    path.join(work, 'home'),
    2 ** 31,
    await chosenModels(values, work),
  );
  try {
    for (const [index, job] of jobs.entries()) {
      for (const shift of chosen) await askChanged(job, shift, pool, path.join(work, 'pictures'), measured);
      console.error(`${index + 1}/${jobs.length} ${job.set}`);
    }
    return environment(await pool.info());
  } finally {
    await pool.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}

/** The targets of a job under one change, whose pictures lie in `folder` meanwhile. */
async function askChanged(
  { set, reference, targets }: Job,
  shift: Shift,
  pool: EnginePool,
  folder: string,
  measured: Map<string, Row>,
): Promise<void> {
  const about = (target: LabelledImage) => ({
    ...{ change: shift.name, set, reference: reference.name, target: target.name },
  });
  const missing = targets.filter((target) => !measured.has(keyOf(about(target))));
  const changed: LabelledImage[] = [];
  mkdirSync(folder, { recursive: true });
  for (const [index, target] of missing.entries()) {
    const pair = await writeChanged(target, shift, path.join(folder, String(index)));
    if (pair) changed.push(pair);
  }
  const { failures } = await evaluateReference([reference, ...changed], reference, pool, {
    strategy: 'ap-medsam',
    parameters: DEFAULT_PARAMETERS,
    classId: 1,
    onScore: ({ target, dice, result: { trust, times } }) => {
      const row: Row = { ...about(target), dice, trust: trust ?? null, ms: ownMilliseconds(times) };
      measured.set(keyOf(row), row);
      if (values.out !== undefined) appendRow(values.out, row);
    },
  });
  for (const { message } of failures) console.error(message);
  rmSync(folder, { recursive: true });
}

/** The changed picture beside its mask; undefined where nothing of the object is left to be found. */
async function writeChanged(target: LabelledImage, shift: Shift, base: string): Promise<LabelledImage | undefined> {
  const mask = await readMask(target, 1);
  const { width, height } = mask.size;
  const upright = sharp(target.image).rotate().toColourspace('srgb').flatten();
  const { data: rgb, info } = await upright.raw().toBuffer({ resolveWithObject: true });
  if (info.width !== width || info.height !== height || info.channels !== 3) {
    throw new RangeError(`${target.image} is no picture of the size of its mask with three channels of 8 bits`);
  }
  const changed = await shifted({ rgb, mask }, shift);
  if (isEmpty(changed.mask)) return undefined;
  const { size } = changed.mask;
  const write = async (pixels: Uint8Array, channels: 1 | 3, file: string) => {
    await sharp(pixels, { raw: { ...size, channels } })
      .png({ compressionLevel: 1 })
      .toFile(file);
    return file;
  };
  const drawn = changed.mask.data.map((value) => 255 * value);
  return {
    name: target.name,
    image: await write(changed.rgb, 3, `${base}.png`),
    mask: await write(drawn, 1, `${base}-mask.png`),
  };
}

function report(rows: readonly Row[]): void {
  const changes = [...new Set(rows.map(({ change }) => change))];
  const sets = [...new Set(rows.map(({ set }) => set))];
  const of = (change: string) => rows.filter((row) => row.change === change);
  const pairKey = (row: Row) => keyOf({ ...row, change: '' });
  const before = values.before === undefined ? undefined : readRows<Row>(values.before);
  const summary = changes.map((change) => {
    const own = of(change);
    const against = differences(own, of(UNCHANGED), pairKey);
    const perSet = sets.map((set) => ({
      set,
      loss: summarise(against.filter((one) => one.set === set).map(({ value }) => value)).mean,
    }));
    const worst = perSet.reduce((most, one) => (one.loss < most.loss ? one : most));
    return [
      change,
      meanOf(
        own.map((row) => ({ ...row, value: row.dice })),
        three,
      ),
      change === UNCHANGED ? '' : meanOf(against, (value) => signed(value, 3)),
      change === UNCHANGED ? '' : `${worst.set} ${signed(worst.loss, 2)}`,
      ...(before ? [meanOf(differences(own, before, keyOf), (value) => signed(value, 3))] : []),
      String(own.length),
    ];
  });
  const header = ['targets are', 'Dice, mean over sets', 'less unchanged', 'worst set'];
  table(
    'What changes between pictures of one folder',
    [...header, ...(before ? ['less before'] : []), 'pairs'],
    summary,
  );
  const cells = changes.map((change) => [
    change,
    ...sets.map((set) =>
      three(
        summarise(
          of(change)
            .filter((row) => row.set === set)
            .map(({ dice }) => dice),
        ).mean,
      ),
    ),
  ]);
  table('Mean Dice by set', ['targets are', ...sets], cells);
}

void main();
