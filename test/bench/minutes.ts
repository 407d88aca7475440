/**
 * Minutes of a person per 100 images: npm run bench:minutes -- <folder> [<folder> ...] [options]
 *
 * One reference labels other images of its set. A simulated person (see clickProtocol.ts) goes on from the automatic
 * mask as the editor does, with its points and its prior, until the mask is good: personModel.ts says what that takes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fromRuns, type Mask, toRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import type { PointPrompt } from '../../src/core/prompting/segmenter';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { type LabelledImage, labelledImages } from '../../src/dataset/evaluate';
import { spread } from '../../src/dataset/files/spread';
import type { EngineClient } from '../../src/engineClient/client';
import type { DecodeResult, SegmentResult } from '../../src/protocol/engineApi';
import { readCommandLine, wholeNumbers } from '../commandLine';
import { readMask } from '../masks';
import { seededRandom } from '../seeded';
import { chosenModels, environment, seededPick, setFolders, startEngine } from './bench';
import { benches } from './benches';
import { nextClick } from './clickProtocol';
import { meanOf, signed, three } from './figures';
import { ACCEPT_SECONDS, CLICK_SECONDS, GOOD_DICE, MOST_CLICKS, minutesPer100, workOn } from './personModel';
import { printerOf } from './printer';
import { appendRow, readRows } from './rowFile';

const { values, positionals } = readCommandLine(benches.minutes);
const { table, say } = printerOf(values);

interface Row {
  readonly set: string;
  readonly reference: string;
  readonly target: string;
  /** Of the automatic mask, and after each click. */
  readonly dices: readonly number[];
  /** Without a reference: of nothing, and after each click. */
  readonly alone?: readonly number[];
}

const keyOf = ({ set, reference, target }: Omit<Row, 'dices'>): string => JSON.stringify([set, reference, target]);

async function main(): Promise<void> {
  const known = values.out === undefined ? [] : readRows<Row>(values.out);
  const measured = new Map(known.map((row) => [keyOf(row), row]));
  const machine = values.report ? undefined : await measure(measured);
  const rows = [...measured.values()];
  if (values.json) for (const row of rows) console.log(JSON.stringify(row));
  else report(rows);
  say(
    [
      `Accepting takes ${ACCEPT_SECONDS} s, a click ${CLICK_SECONDS} s; accepted from a Dice of ${GOOD_DICE} on or after ${MOST_CLICKS} clicks.`,
      `${values.references} references x up to ${values.targets} targets, seeds ${values.seeds}.`,
      machine,
    ]
      .filter(Boolean)
      .join(' '),
  );
}

/** What is not measured yet; returns machine and versions. */
async function measure(measured: Map<string, Row>): Promise<string> {
  const home = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-minutes-'));
  const engine = startEngine(Number(values.threads), home, await chosenModels(values, home));
  try {
    for (const { set, folder } of setFolders(positionals, values.sets)) {
      const images = await labelledImages(folder);
      for (const seed of wholeNumbers(values.seeds)) {
        for (const reference of seededPick(images, Number(values.references), seededRandom(seed))) {
          const others = images.filter((image) => image !== reference);
          await workThrough(set, reference, spread(others, Number(values.targets)), engine, measured);
        }
      }
      console.error(set);
    }
    return environment(await engine.info());
  } finally {
    await engine.dispose();
    rmSync(home, { recursive: true, force: true });
  }
}

async function workThrough(
  set: string,
  reference: LabelledImage,
  targets: readonly LabelledImage[],
  engine: EngineClient,
  measured: Map<string, Row>,
): Promise<void> {
  const mask = toRuns(await readMask(reference, 1));
  for (const target of targets) {
    const place = { set, reference: reference.name, target: target.name };
    const known = measured.get(keyOf(place));
    if (known && (known.alone || !values.alone)) continue;
    const truth = await readMask(target, 1);
    const dices =
      known?.dices ??
      (await dicesFrom(
        engine,
        target.image,
        truth,
        await engine.segment({
          image: target.image,
          reference: { image: reference.image, mask },
          strategy: 'ap-medsam',
          parameters: DEFAULT_PARAMETERS,
          withDetails: true,
        }),
      ));
    const alone = values.alone ? await dicesFrom(engine, target.image, truth, undefined) : undefined;
    const row: Row = { ...place, dices, ...(alone && { alone }) };
    measured.set(keyOf(row), row);
    if (values.out !== undefined) appendRow(values.out, row);
  }
}

/**
 * Dice of a mask and after each click, until it is good or there is nothing to click at. The engine is asked as the
 * editor asks it: the first time with the points and the prior of the automatic mask, then with its last answer.
 */
async function dicesFrom(
  engine: EngineClient,
  image: string,
  truth: Mask,
  automatic: SegmentResult | undefined,
): Promise<number[]> {
  const start = automatic?.outcome === 'mask' ? automatic : undefined;
  const points: PointPrompt[] = (start?.prompts ?? [])
    .filter(({ reason }) => reason === 'kept')
    .map(({ point, label }) => ({ point, label }));
  const clicks: PointPrompt[] = [];
  let mask = start ? fromRuns(start.mask) : { size: truth.size, data: new Uint8Array(truth.data.length) };
  let last: DecodeResult['maskPrompt'];
  const dices = [dice(mask, truth)];
  while (dices[dices.length - 1] < GOOD_DICE && clicks.length < MOST_CLICKS) {
    const next = nextClick(truth, mask, clicks);
    if (!next) break;
    clicks.push(next);
    points.push(next);
    const maskPrompt = last ?? start?.maskPrompt;
    const answer = await engine.decode({
      image,
      prompts: { points: [...points], ...(maskPrompt && { maskPrompt }) },
      ...(start ? { asApMedSam: true } : { bestOverlap: true }),
      ...(last === undefined && start?.answerPrior && { answerPrior: start.answerPrior }),
      withMaskPrompt: true,
    });
    last = answer.maskPrompt;
    mask = fromRuns(answer.mask);
    dices.push(dice(mask, truth));
  }
  return dices;
}

function report(rows: readonly Row[]): void {
  const before =
    values.before === undefined ? undefined : new Map(readRows<Row>(values.before).map((row) => [keyOf(row), row]));
  const withAlone = rows.some(({ alone }) => alone);
  const one = (value: number) => value.toFixed(1);
  const minutes = (some: readonly Row[], of: (row: Row) => number | undefined) =>
    some.flatMap((row) => {
      const value = of(row);
      return value === undefined ? [] : [{ ...row, value }];
    });
  const own = (row: Row) => minutesPer100(workOn(row.dices).seconds);
  const alone = (row: Row) => row.alone && minutesPer100(workOn(row.alone).seconds);
  const saved = (row: Row) => {
    const other = before?.get(keyOf(row));
    return other && own(row) - own(other);
  };
  const cells = (title: string, some: readonly Row[]) => {
    const works = some.map((row) => workOn(row.dices));
    const mean = (of: (row: Row) => number) =>
      meanOf(
        some.map((row) => ({ ...row, value: of(row) })),
        three,
      ).split(' ')[0];
    return [
      title,
      mean((row) => row.dices[0]),
      mean((row) => Number(row.dices[0] >= GOOD_DICE)),
      mean((row) => workOn(row.dices).clicks),
      mean((row) => workOn(row.dices).dice),
      meanOf(minutes(some, own), one),
      ...(before ? [meanOf(minutes(some, saved), (value) => signed(value, 1))] : []),
      ...(withAlone ? [meanOf(minutes(some, alone), one)] : []),
      String(works.length),
    ];
  };
  const sets = [...new Set(rows.map(({ set }) => set))];
  table(
    'Minutes of a person per 100 images',
    [
      'set',
      'Dice at first',
      'share accepted at once',
      'clicks an image',
      'Dice at last',
      'minutes',
      ...(before ? ['less before'] : []),
      ...(withAlone ? ['by clicks alone'] : []),
      'images',
    ],
    [
      ...sets.map((set) =>
        cells(
          set,
          rows.filter((row) => row.set === set),
        ),
      ),
      cells('**mean of the sets**', rows),
    ],
  );
}

void main();
