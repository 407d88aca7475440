/**
 * Segmenting by clicks, without a reference: npm run bench:clicks -- <data dir> [options]
 *
 * <data dir> holds one folder per set, each with images/ and masks/. In each image a simulated person clicks at the
 * centre of the largest error (see clickProtocol.ts). The engine is asked as the editor asks it, with all clicks so
 * far, and from the second round on with the logits of the round before as mask prompt, unless that is left out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { textTable } from '../../src/cli/textTable';
import { createMask, fromRuns } from '../../src/core/pixels/mask';
import { iou } from '../../src/core/pixels/maskMetrics';
import type { PointPrompt } from '../../src/core/prompting/segmenter';
import { spearman } from '../../src/core/rankCorrelation';
import { type LabelledImage, labelledImages, summarise } from '../../src/dataset/evaluate';
import type { EngineClient } from '../../src/engineClient/client';
import type { DecodeResult } from '../../src/protocol/engineApi';
import { readCommandLine } from '../commandLine';
import { readMask } from '../masks';
import { seededRandom } from '../seeded';
import { chosenModels, environment, isSeen, SET_GROUPS, seededPick, setsIn, startEngine } from './bench';
import { benches } from './benches';
import { nextClick } from './clickProtocol';

const { values, positionals } = readCommandLine(benches.clicks);
const [dataDir] = positionals;

/** Rounds that the tables show, counted from 1. */
const SHOWN = [1, 3, 5, 10];

/** "Number of clicks" means those until here. */
const GOOD_IOU = 0.85;

/** A loss of IoU that a person notices. */
const LOSS = 0.01;

interface Round {
  readonly iou: number;
  readonly iouPrediction: number;
  readonly milliseconds: number;
}

interface ClickedImage {
  readonly set: string;
  readonly image: string;
  /** One per click. Where nothing is left to correct, the last round stands for all that follow. */
  readonly rounds: readonly Round[];
}

async function main(): Promise<void> {
  const home = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-clicks-'));
  try {
    await measure(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function measure(home: string): Promise<void> {
  const sets = setsIn(dataDir, values.sets);
  const engine = startEngine(Number(values.threads), home, await chosenModels(values, home));
  try {
    const results = new Map<string, ClickedImage[]>();
    for (const set of sets) {
      const all = await labelledImages(path.join(dataDir, set));
      const clicked: ClickedImage[] = [];
      for (const image of seededPick(all, Number(values.images), seededRandom(Number(values.seed)))) {
        const rounds = await click(engine, image);
        if (rounds.length > 0) clicked.push({ set, image: image.name, rounds });
        else console.error(`${set}: ${image.name} has nothing to click at`);
      }
      results.set(set, clicked);
      const last = clicked.map(({ rounds }) => rounds[rounds.length - 1].iou);
      console.error(`${set}: IoU ${summarise(last).mean.toFixed(3)} after ${values.clicks} clicks`);
    }
    if (values.json) for (const one of [...results.values()].flat()) console.log(JSON.stringify(one));
    else printTable(results);
    const info = await engine.info();
    const fedBack = !values['without-mask-prompt'] && info.capabilities.maskPrompt;
    (values.json ? console.error : console.log)(
      `\nUp to ${values.images} images per set, seed ${values.seed}, ${fedBack ? 'the last answer as mask prompt' : 'no mask prompt'}, ` +
        `segmenter ${info.segmenter.sha256.slice(0, 8)}. ${environment(info)}`,
    );
  } finally {
    await engine.dispose();
  }
}

/** The rounds of one image; none where its mask is empty. */
async function click(engine: EngineClient, labelled: LabelledImage): Promise<Round[]> {
  const truth = await readMask(labelled, 1);
  const points: PointPrompt[] = [];
  const rounds: Round[] = [];
  let mask = createMask(truth.size);
  let maskPrompt: DecodeResult['maskPrompt'];
  while (rounds.length < Number(values.clicks)) {
    const next = nextClick(truth, mask, points);
    const last = rounds[rounds.length - 1];
    if (!next) {
      if (!last) break;
      rounds.push(last);
      continue;
    }
    points.push(next);
    const answer = await engine.decode({
      image: labelled.image,
      prompts: { points, ...(maskPrompt && { maskPrompt }) },
      bestOverlap: true,
      withMaskPrompt: !values['without-mask-prompt'],
    });
    ({ maskPrompt } = answer);
    mask = fromRuns(answer.mask);
    const { iouPrediction, times } = answer;
    rounds.push({ iou: iou(mask, truth), iouPrediction, milliseconds: times.decode ?? 0 });
  }
  return rounds;
}

/** What the tables say of some images. */
interface Figures {
  readonly images: number;
  /** Mean IoU after each of the shown rounds. */
  readonly ious: readonly number[];
  /** Mean number of clicks to a good IoU, all of them where it is never reached. */
  readonly clicksToGood: number;
  /** Share of images that never reach it. */
  readonly neverGood: number;
  /** Share of the rounds after the first that lose IoU. */
  readonly losing: number;
  /** Spearman's correlation of predicted and true IoU, in the shown rounds of all images. */
  readonly ranking: number;
}

function figuresOf(images: readonly ClickedImage[]): Figures {
  const shown = images.flatMap(({ rounds }) => SHOWN.flatMap((n) => rounds.slice(n - 1, n)));
  const firstGood = images.map(({ rounds }) => rounds.findIndex((round) => round.iou >= GOOD_IOU));
  const steps = images.flatMap(({ rounds }) => rounds.slice(1).map((round, k) => round.iou - rounds[k].iou));
  return {
    images: images.length,
    ious: SHOWN.map((n) => mean(images.flatMap(({ rounds }) => rounds.slice(n - 1, n).map((round) => round.iou)))),
    clicksToGood: mean(firstGood.map((index) => (index < 0 ? Number(values.clicks) : index + 1))),
    neverGood: mean(firstGood.map((index) => Number(index < 0))),
    losing: mean(steps.map((step) => Number(step < -LOSS))),
    ranking: spearman(
      shown.map(({ iouPrediction }) => iouPrediction),
      shown.map((round) => round.iou),
    ),
  };
}

/** Every set weighs the same, however many images it has. */
function meanFigures(each: readonly Figures[]): Figures {
  const of = (value: (figures: Figures) => number) => mean(each.map(value));
  return {
    images: each.reduce((sum, { images }) => sum + images, 0),
    ious: SHOWN.map((_, k) => of(({ ious }) => ious[k])),
    clicksToGood: of(({ clicksToGood }) => clicksToGood),
    neverGood: of(({ neverGood }) => neverGood),
    losing: of(({ losing }) => losing),
    ranking: of(({ ranking }) => ranking),
  };
}

const mean = (numbers: readonly number[]): number => summarise(numbers).mean;

function printTable(results: ReadonlyMap<string, readonly ClickedImage[]>): void {
  const bySet = [...results].map(([set, images]) => ({ set, figures: figuresOf(images) }));
  const groups = SET_GROUPS.map(([title, belongs]) => ({
    title: `**${title}**`,
    members: bySet.filter(({ set }) => belongs(set)),
  })).filter(({ members }) => members.length > 0);
  const rows = [
    ...bySet.map(({ set, figures }) => rowOf(`${set}${isSeen(set) ? ' (seen)' : ''}`, figures)),
    ...groups.map(({ title, members }) => rowOf(title, meanFigures(members.map(({ figures }) => figures)))),
  ];
  const header = [
    'set',
    'images',
    ...SHOWN.map((n) => `IoU after ${n}`),
    `clicks to ${GOOD_IOU}`,
    'never',
    `rounds losing over ${LOSS}`,
    'IoU prediction, Spearman',
  ];
  console.log(`\n${textTable(header, rows)}`);
  const decode = [...results.values()].flat().flatMap(({ rounds }) => rounds.map(({ milliseconds }) => milliseconds));
  console.log(`\nDecoding takes ${summarise(decode).median.toFixed(0)} ms (median).`);
}

function rowOf(title: string, { images, ious, clicksToGood, neverGood, losing, ranking }: Figures): string[] {
  const fixed = (value: number, digits: number) => (Number.isNaN(value) ? '-' : value.toFixed(digits));
  const percent = (share: number) => (Number.isNaN(share) ? '-' : `${Math.round(100 * share)} %`);
  return [
    title,
    String(images),
    ...ious.map((value) => fixed(value, 3)),
    fixed(clicksToGood, 1),
    percent(neverGood),
    percent(losing),
    fixed(ranking, 2),
  ];
}

void main();
