/**
 * Several classes in one pass: npm run bench:classes -- <data dir> [--pairs a+b,c+d] [--references 2] [--targets 6]
 *
 * Two labelled sets make one with two classes: pictures with an image of the one on the left and one of the other on
 * the right. Beside pictures with both there are pictures with two images of one set, in which the other class is
 * absent. What each class is given alone is compared with what it is left after competing, and the time of one class
 * with that of two.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { createMask, fromRuns, type Mask, toRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import { resizeMaskNearest } from '../../src/core/pixels/raster';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { type LabelledImage, labelledImages, summarise } from '../../src/dataset/evaluate';
import type { EnginePool } from '../../src/engineClient/pool';
import type { SegmentResult } from '../../src/protocol/engineApi';
import { readCommandLine } from '../commandLine';
import { readMask } from '../masks';
import { seededRandom } from '../seeded';
import { environment, startEngines } from './bench';
import { benches } from './benches';
import { printerOf } from './printer';

const { values, positionals } = readCommandLine(benches.classes);
const { table, say } = printerOf(values);

/** Each half of a picture. */
const HALF = { width: 256, height: 512 };
const WHOLE = { width: 512, height: 512 };

/** A picture with what is known of it: one mask per class, empty where the class is absent. */
interface Picture {
  readonly image: string;
  readonly masks: readonly [Mask, Mask];
}

async function main(): Promise<void> {
  const [dataDir] = positionals;
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-classes-'));
  const engine = startEngines(1, 1, path.join(work, 'home'));
  const rows: string[][] = [];
  const times: { alone: number[]; both: number[] } = { alone: [], both: [] };
  try {
    for (const pair of values.pairs.split(',')) rows.push(await comparePair(dataDir, pair, work, engine, times));
    const means = rows[0]!.slice(1).map((_, k) => mean(rows.map((row) => Number(row[k + 1]))).toFixed(3));
    table(
      'Mean Dice of two classes; absent: share of pictures without the class in which some of it is drawn',
      [
        'sets',
        'both there: alone',
        'both there: competing',
        'other class absent: alone',
        'other class absent: competing',
        'pixels of an absent class: alone',
        'pixels of an absent class: competing',
      ],
      [...rows, ['mean', ...means]],
    );
    const [one, two] = [times.alone, times.both].map((list) => summarise(list).median);
    say(`ms per picture, one thread, median: one class ${one!.toFixed(1)}, two classes ${two!.toFixed(1)}.`);
    say(environment(await engine.info()));
  } finally {
    await engine.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}

const mean = (list: readonly number[]): number => summarise(list).mean;

async function comparePair(
  dataDir: string,
  pair: string,
  work: string,
  engine: EnginePool,
  times: { alone: number[]; both: number[] },
): Promise<string[]> {
  const random = seededRandom(Number(values.seed));
  const sets = await Promise.all(pair.split('+').map((name) => labelledImages(path.join(dataDir, name))));
  const [left, right] = sets.map((set) => shuffled(set, random));
  let count = 0;
  const picture = async (a: LabelledImage, b: LabelledImage, classes: readonly [number, number]) =>
    compose(path.join(work, `${pair}-${count++}.png`), [a, b], classes);
  const references = Number(values.references);
  const targets = Number(values.targets);
  const scores = { alone: [] as number[], competing: [] as number[] };
  const scoresAbsent = { alone: [] as number[], competing: [] as number[] };
  const strays = { alone: [] as number[], competing: [] as number[] };
  for (let r = 0; r < references; r++) {
    const reference = await picture(left![r]!, right![r]!, [0, 1]);
    const pictures: Picture[] = [];
    for (let t = references; t < references + targets; t++) {
      pictures.push(await picture(left![t]!, right![t]!, [0, 1]));
      pictures.push(await picture(left![t]!, left![t + targets]!, [0, 0]));
      pictures.push(await picture(right![t]!, right![t + targets]!, [1, 1]));
    }
    const classes = reference.masks.map((mask, index) => ({
      classId: index + 1,
      reference: { image: reference.image, mask: toRuns(mask) },
    }));
    const shared = { strategy: 'ap-medsam', parameters: DEFAULT_PARAMETERS } as const;
    for (const { image, masks } of pictures) {
      const alone: SegmentResult[] = [];
      for (const one of classes) alone.push(await engine.segment({ ...shared, ...one, image }));
      const both = await engine.segmentClasses({ ...shared, classes, image });
      times.alone.push(...alone.map((one) => one.times.total));
      times.both.push(both.reduce((sum, one) => sum + one.times.total, 0));
      const present = masks.map((mask) => mask.data.includes(1));
      masks.forEach((mask, index) => {
        for (const [kind, results] of [
          ['alone', alone],
          ['competing', both],
        ] as const) {
          const drawn = fromRuns(results[index]!.mask);
          const to = present.every(Boolean) ? scores : scoresAbsent;
          if (present[index]) to[kind].push(dice(drawn, mask));
          else strays[kind].push(drawn.data.reduce((sum, value) => sum + value, 0) / drawn.data.length);
        }
      });
    }
  }
  console.error(pair);
  return [
    pair,
    ...[scores, scoresAbsent, strays]
      .flatMap(({ alone, competing }) => [mean(alone), mean(competing)])
      .map((value) => value.toFixed(3)),
  ];
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map((one) => ({ one, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ one }) => one);
}

/** @param classes which class (0 or 1) the left and the right image are of */
async function compose(image: string, halves: readonly LabelledImage[], classes: readonly number[]): Promise<Picture> {
  const masks = [createMask(WHOLE), createMask(WHOLE)] as const;
  const pieces = [];
  for (const [side, half] of halves.entries()) {
    const input = await sharp(half.image)
      .removeAlpha()
      .toColourspace('srgb')
      .resize({ ...HALF, fit: 'fill' })
      .png()
      .toBuffer();
    pieces.push({ input, left: side * HALF.width, top: 0 });
    const mask = resizeMaskNearest(await readMask(half, 1), HALF);
    for (let y = 0; y < HALF.height; y++) {
      const row = mask.data.subarray(y * HALF.width, (y + 1) * HALF.width);
      masks[classes[side]!]!.data.set(row, y * WHOLE.width + side * HALF.width);
    }
  }
  await sharp({ create: { ...WHOLE, channels: 3, background: '#000' } })
    .composite(pieces)
    .png()
    .toFile(image);
  return { image, masks };
}

void main();
