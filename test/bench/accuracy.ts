/**
 * Accuracy of the strategies on labelled sets: npm run bench:accuracy -- <data dir> [options]
 *
 * <data dir> holds one folder per set, each with images/ and masks/. Per set, some references (seeded) label up to so
 * many of the other images; Dice per target, mean per set, mean over sets.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { textTable } from '../../src/cli/textTable';
import { spearman } from '../../src/core/rankCorrelation';
import { strategies, strategyIds } from '../../src/core/strategies';
import { presetNames, presets } from '../../src/core/strategies/presets';
import {
  DEFAULT_PARAMETERS,
  NO_ABLATION,
  type StrategyId,
  type StrategyParameters,
} from '../../src/core/strategies/strategy';
import { evaluateReference, type ImageScore, labelledImages, summarise } from '../../src/dataset/evaluate';
import { seededRandom } from '../seeded';
import {
  chosenModels,
  environment,
  isSeen,
  MODEL_OPTIONS,
  SET_GROUPS,
  seededPick,
  setsIn,
  startEngines,
} from './bench';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    references: { type: 'string', default: '3' },
    targets: { type: 'string', default: '20' },
    seed: { type: 'string', default: '0' },
    strategies: { type: 'string', default: strategyIds.join(',') },
    preset: { type: 'string' },
    engines: { type: 'string', default: String(os.cpus().length) },
    sets: { type: 'string' },
    ablation: { type: 'string' },
    /** How many references vote at a time: 1, or such as 1,2,3 to compare. The same targets for all. */
    votes: { type: 'string', default: '1' },
    /** Such as off,auto,2 to compare. */
    tiles: { type: 'string', default: 'off' },
    json: { type: 'boolean', default: false },
    ...MODEL_OPTIONS,
  },
});

interface Variant {
  readonly name: string;
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  readonly votes: number;
}

async function main(): Promise<void> {
  const [dataDir] = positionals;
  if (dataDir === undefined) {
    console.error(
      'usage: npm run bench:accuracy -- <data dir> [--references 3] [--targets 20] [--seed 0] [--sets a,b]',
    );
    console.error('       [--strategies ap-medsam,gbmseg] [--preset all|semantic,object,part,regions,prompt]');
    console.error('       [--ablation all|refine,prior] [--votes 1,2,3] [--tiles off,auto,2] [--engines 2] [--json]');
    console.error('       [--models <models dir>] [--decoder <file.onnx>]');
    process.exit(2);
  }
  const home = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-bench-'));
  try {
    await measure(dataDir, home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function measure(dataDir: string, home: string): Promise<void> {
  const sets = setsIn(dataDir, values.sets);
  const engines = startEngines(Number(values.engines), 1, home, 2 ** 31, await chosenModels(values, home));
  try {
    const variants = chosenVariants();
    const mostVotes = Math.max(...variants.map(({ votes }) => votes));
    const results = new Map<string, Map<string, ImageScore[]>>();
    for (const set of sets) {
      const images = await labelledImages(path.join(dataDir, set));
      for (const variant of variants) {
        const scores: ImageScore[] = [];
        // Each reference votes with those that come next in the seeded order; what may vote is no target of any
        // variant.
        const pool = seededPick(images, Number(values.references) + mostVotes - 1, seededRandom(Number(values.seed)));
        for (const [k, reference] of pool.slice(0, Number(values.references)).entries()) {
          const voters = pool.slice(k, k + mostVotes);
          const targets = images.filter((image) => image === reference || !voters.includes(image));
          const evaluated = await evaluateReference(targets, reference, engines, {
            moreReferences: voters.slice(1, variant.votes),
            strategy: variant.strategy,
            parameters: variant.parameters,
            classId: 1,
            targets: Number(values.targets),
          });
          for (const failure of evaluated.failures) console.error(`${variant.name}: ${failure.message}`);
          scores.push(...evaluated.scores);
        }
        const ofVariant = results.get(variant.name) ?? new Map<string, ImageScore[]>();
        results.set(variant.name, ofVariant.set(set, scores));
        console.error(`${set} ${variant.name}: Dice ${summarise(scores.map(({ dice }) => dice)).mean.toFixed(3)}`);
      }
    }
    if (values.json) printJson(results);
    else printTables(sets, results);
    console.log(
      `\n${values.references} references x up to ${values.targets} targets, seed ${values.seed}. ${environment(await engines.info())}`,
    );
  } finally {
    await engines.dispose();
  }
}

function chosenVariants(): Variant[] {
  const chosen = (values.strategies ?? '').split(',').flatMap((name): Variant[] => {
    if (!(name in strategies)) throw new RangeError(`there is no strategy ${name}; known: ${strategyIds.join(', ')}`);
    const presetted = presetVariants(name);
    return presetted.length > 0
      ? presetted
      : [{ name, strategy: name as StrategyId, parameters: DEFAULT_PARAMETERS, votes: 1 }];
  });
  const all = Object.keys(NO_ABLATION) as (keyof typeof NO_ABLATION)[];
  const switches =
    values.ablation === 'all' ? all : all.filter((stage) => values.ablation?.split(',').includes(stage) ?? false);
  const variants = [
    ...chosen,
    ...chosen.flatMap(({ strategy }) =>
      switches.map((stage) => ({
        name: `${strategy} without ${stage}`,
        strategy,
        parameters: { ...DEFAULT_PARAMETERS, ablation: { ...NO_ABLATION, [stage]: false } },
        votes: 1,
      })),
    ),
  ];
  const tiled = values.tiles.split(',').flatMap((tiles) =>
    variants.map((variant) => ({
      ...variant,
      name: tiles === 'off' ? variant.name : `${variant.name}, tiles ${tiles}`,
      parameters: { ...variant.parameters, tiles: /^\d+$/.test(tiles) ? Number(tiles) : (tiles as 'auto' | 'off') },
    })),
  );
  return values.votes
    .split(',')
    .map(Number)
    .flatMap((votes) =>
      tiled.map((variant) => ({
        ...variant,
        votes,
        name: votes === 1 ? variant.name : `${variant.name}, ${votes} references`,
      })),
    );
}

/** A strategy with each of its presets that were asked for. */
function presetVariants(strategy: string): Variant[] {
  const wanted = values.preset === 'all' ? presetNames : (values.preset ?? '').split(',');
  return presetNames
    .filter((preset) => wanted.includes(preset) && presets[preset].strategy === strategy)
    .map((preset) => ({
      name: `${strategy} ${preset}`,
      strategy: presets[preset].strategy,
      parameters: { ...DEFAULT_PARAMETERS, ...presets[preset].parameters },
      votes: 1,
    }));
}

function printTables(sets: readonly string[], results: Map<string, Map<string, ImageScore[]>>): void {
  const three = (value: number) => (Number.isNaN(value) ? '-' : value.toFixed(3));
  for (const [name, bySet] of results) {
    console.log(`\n### ${name}\n`);
    const rows = sets.map((set) => {
      const scores = bySet.get(set) ?? [];
      const of = summarise(scores.map(({ dice }) => dice));
      return [
        `${set}${isSeen(set) ? ' (seen)' : ''}`,
        String(of.count),
        three(of.mean),
        three(of.median),
        three(of.deviation),
        three(summarise(scores.map(({ iou }) => iou)).mean),
        three(summarise(scores.map(({ iou }) => iou)).median),
        three(summarise(scores.map(({ boundaryF }) => boundaryF)).mean),
        String(scores.filter(({ result }) => result.outcome === 'absent').length),
        rankingOf(scores).toFixed(2),
      ];
    });
    const titles = ['targets', 'Dice mean', 'median', 'std', 'IoU mean', 'median', 'boundary F', 'absent', 'IoU rho'];
    console.log(textTable(['set', ...titles], rows));
  }
  console.log('\n### Mean Dice over sets\n');
  const rows = [...results].map(([name, bySet]) => [
    name,
    ...SET_GROUPS.map(([, belongs]) => {
      const dices = sets.filter(belongs).map((set) => (bySet.get(set) ?? []).map(({ dice }) => dice));
      if (dices.length === 0) return '-';
      return `${three(meanOfMeans(dices))} (${interval(dices).map(three).join(' to ')})`;
    }),
    summarise([...bySet.values()].flat().map(({ result }) => result.times.total)).median.toFixed(0),
  ]);
  console.log(textTable(['strategy', ...SET_GROUPS.map(([title]) => title), 'ms per image'], rows));
}

/** Spearman's correlation of predicted and true IoU over the targets in which something was drawn. */
function rankingOf(scores: readonly ImageScore[]): number {
  const drawn = scores.filter(({ result }) => result.iouPrediction !== null && !Number.isNaN(result.iouPrediction));
  return spearman(
    drawn.map(({ result }) => result.iouPrediction),
    drawn.map(({ iou }) => iou),
  );
}

/** Every set weighs the same, however many targets it has. */
const meanOfMeans = (sets: readonly (readonly number[])[]): number =>
  summarise(sets.map((dices) => summarise(dices).mean)).mean;

const RESAMPLES = 1000;

/**
 * 95 % of what the mean would be for other targets of the same sets: percentile bootstrap (Efron 1979), targets
 * resampled.
 */
function interval(sets: readonly (readonly number[])[]): [number, number] {
  const random = seededRandom(1);
  const pick = (dices: readonly number[]) => dices.map(() => dices[Math.floor(random() * dices.length)]);
  const means = Array.from({ length: RESAMPLES }, () => meanOfMeans(sets.map(pick))).sort((a, b) => a - b);
  return [means[Math.floor(0.025 * RESAMPLES)], means[Math.ceil(0.975 * RESAMPLES) - 1]];
}

function printJson(results: Map<string, Map<string, ImageScore[]>>): void {
  for (const [variant, bySet] of results) {
    for (const [set, scores] of bySet) {
      for (const { reference, target, dice, iou, boundaryF, result } of scores) {
        const { outcome, iouPrediction, notes } = result;
        const row = { variant, set, reference: reference.name, target: target.name, dice, iou, boundaryF };
        console.log(JSON.stringify({ ...row, outcome, iouPrediction, notes, times: result.times }));
      }
    }
  }
}

void main();
