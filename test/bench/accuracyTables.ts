/** The tables of bench:accuracy, from its rows. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { textTable } from '../../src/cli/textTable';
import { spearman } from '../../src/core/rankCorrelation';
import { summarise } from '../../src/dataset/evaluate';
import { keyOf, type Row } from './accuracyRows';
import type { Stage, Variant } from './accuracyVariants';
import { repository } from './bench';
import type { Observation } from './bootstrap';
import { meanOf, signed, three } from './figures';

/** Rows of each variant, in the order of the plan. */
export type Results = ReadonlyMap<Variant, readonly Row[]>;

/** Groups that the rows are of, in their order, and all of them together where there are several. */
function groupsOf(results: Results): { title: string; belongs: (row: Row) => boolean }[] {
  const names = [...new Set([...results.values()].flat().map(({ group }) => group))];
  const groups = names.map((name) => ({ title: name, belongs: ({ group }: Row) => group === name }));
  return names.length > 1 ? [...groups, { title: 'all', belongs: () => true }] : groups;
}

const setOf = ({ group, set }: Row): string => `${group}/${set}`;

function bySet(rows: readonly Row[]): Map<string, Row[]> {
  const sets = new Map<string, Row[]>();
  for (const row of rows) sets.set(setOf(row), [...(sets.get(setOf(row)) ?? []), row]);
  return sets;
}

export function setTable(variant: Variant, rows: readonly Row[]): string {
  const titles = ['targets', 'Dice mean', 'median', 'std', 'IoU mean', 'median', 'boundary F', 'absent', 'IoU rho'];
  const cells = [...bySet(rows).values()].map((own) => {
    const dice = summarise(own.map((row) => row.dice));
    const iou = summarise(own.map((row) => row.iou));
    return [
      `${own[0].set} (${own[0].group})`,
      String(dice.count),
      three(dice.mean),
      three(dice.median),
      three(dice.deviation),
      three(iou.mean),
      three(iou.median),
      three(summarise(own.map(({ boundaryF }) => boundaryF)).mean),
      String(own.filter(({ outcome }) => outcome === 'absent').length),
      signed(rankings.iouPrediction(own), 2),
    ];
  });
  return `\n### ${variant.name}\n\n${textTable(['set', ...titles], cells)}`;
}

/** Spearman's correlations over the targets in which something was drawn. */
const rankings = {
  iouPrediction: (rows: readonly Row[]) =>
    rankingOf(
      rows,
      (row) => row.iouPrediction,
      (row) => row.iou,
    ),
  trust: (rows: readonly Row[]) =>
    rankingOf(
      rows,
      (row) => row.trust,
      (row) => row.dice,
    ),
} as const;

function rankingOf(rows: readonly Row[], estimate: (row: Row) => number | null, truth: (row: Row) => number): number {
  const judged = rows.filter((row) => estimate(row) !== null);
  return spearman(
    judged.map((row) => estimate(row)!),
    judged.map(truth),
  );
}

/** The mean over those sets in which there is a ranking. */
const meanRanking = (rows: readonly Row[], kind: keyof typeof rankings): number =>
  summarise([...bySet(rows).values()].map(rankings[kind]).filter((rho) => !Number.isNaN(rho))).mean;

const observationOf = (row: Row, value: number): Observation => ({
  set: setOf(row),
  reference: row.reference,
  target: row.target,
  value,
});

export function meanTable(results: Results): string {
  const groups = groupsOf(results);
  const cells = [...results].map(([{ name }, rows]) => [
    name,
    ...groups.map(({ belongs }) => {
      const dices = rows.filter(belongs).map((row) => observationOf(row, row.dice));
      return meanOf(dices, three);
    }),
    summarise(rows.map(({ ms }) => ms)).median.toFixed(0),
  ]);
  const header = ['strategy', ...groups.map(({ title }) => title), 'ms after encoding'];
  return `\n### Mean Dice over sets\n\n${textTable(header, cells)}`;
}

/** Modules that serve a stage, whose lines it costs; one that serves two counts for both. */
const modulesOf: Partial<Record<Stage, readonly string[]>> = {
  selfTraining: ['src/core/strategies/apMedSam/adaptation.ts'],
  alignment: ['src/core/strategies/apMedSam/alignment.ts'],
  selfTest: ['src/core/strategies/apMedSam/selfTest.ts'],
  specks: ['src/core/pixels/specks.ts'],
  refine: ['src/core/strategies/apMedSam/adaptation.ts', 'src/core/strategies/apMedSam/refinement.ts'],
};

function linesOf(stage: Stage): string {
  const modules = modulesOf[stage];
  if (modules === undefined) return '-';
  const lines = modules.map((file) => readFileSync(path.join(repository, file), 'utf8').trimEnd().split('\n').length);
  return String(lines.reduce((sum, count) => sum + count, 0));
}

interface PairOfRows {
  readonly whole: Row;
  readonly without: Row;
}

/** The same reference and the same target, answered with and without a stage. */
function pairsOf(whole: readonly Row[], without: readonly Row[], votes: number): PairOfRows[] {
  const key = (row: Row) => keyOf({ ...row, variant: '' }, votes);
  const known = new Map(whole.map((row) => [key(row), row]));
  return without.flatMap((row) => {
    const other = known.get(key(row));
    return other ? [{ whole: other, without: row }] : [];
  });
}

export function ablationTable(results: Results, strategy: string): string {
  const groups = groupsOf(results);
  const byName = new Map([...results].map(([variant, rows]) => [variant.name, rows]));
  const cells = [...results].flatMap(([variant, rows]) => {
    if (variant.without?.whole !== strategy) return [];
    const pairs = pairsOf(byName.get(strategy) ?? [], rows, variant.votes);
    if (pairs.length === 0) return [];
    const [whole, without] = [pairs.map((pair) => pair.whole), pairs.map((pair) => pair.without)];
    const both = (kind: keyof typeof rankings) =>
      [whole, without].map((some) => signed(meanRanking(some, kind), 3)).join(' / ');
    const milliseconds = (some: readonly Row[]) => summarise(some.map(({ ms }) => ms)).median.toFixed(1);
    const saved = summarise(pairs.map((pair) => pair.whole.ms - pair.without.ms)).median;
    return [
      [
        variant.without.stage,
        ...groups.map(({ belongs }) =>
          meanOf(
            pairs
              .filter((pair) => belongs(pair.whole))
              .map((pair) => observationOf(pair.whole, pair.whole.dice - pair.without.dice)),
            (value) => signed(value, 4),
          ),
        ),
        both('iouPrediction'),
        both('trust'),
        `${milliseconds(whole)} / ${milliseconds(without)} (${signed(saved, 1)})`,
        linesOf(variant.without.stage),
        `${pairs.length} in ${new Set(whole.map(setOf)).size} sets`,
      ],
    ];
  });
  const header = [
    'stage',
    ...groups.map(({ title }) => `Dice, ${title}`),
    'IoU rho with / without',
    'trust rho',
    'ms (paired)',
    'lines',
    'pairs',
  ];
  const title = `\n### What each stage of ${strategy} is worth: with less without, same reference, same target\n\n`;
  return `${title}${textTable(header, cells)}`;
}
