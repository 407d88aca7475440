/** What a long run has measured is not lost when it is stopped, and goes into the tables as pairs. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyOf, type Row } from './accuracyRows';
import { ablationTable } from './accuracyTables';
import { chosenVariants } from './accuracyVariants';
import { appendRow, readRows } from './rowFile';

const row = (changes: Partial<Row>): Row => ({
  variant: 'ap-medsam',
  group: 'validate',
  set: 'coke',
  seed: 0,
  reference: 'a.png',
  target: 'b.png',
  dice: 0.5,
  iou: 0.4,
  boundaryF: 0.3,
  outcome: 'mask',
  iouPrediction: 0.6,
  trust: 0.7,
  ms: 12,
  notes: [],
  referenceNotes: [],
  times: { total: 20 },
  ...changes,
});

describe('the file of rows', () => {
  let work: string;
  beforeAll(() => {
    work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-rows-'));
  });
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  it('holds what was appended, without a line that a stop has cut short', () => {
    const file = path.join(work, 'rows.jsonl');
    expect(readRows<Row>(file)).toEqual([]);
    appendRow(file, row({}));
    appendFileSync(file, '{"variant":"ap-med');
    expect(readRows<Row>(file)).toEqual([row({})]);
    appendRow(file, row({ target: 'c.png' }));
    expect(readRows<Row>(file).map(({ target }) => target)).toEqual(['b.png', 'c.png']);
    expect(readFileSync(file, 'utf8')).not.toContain('ap-med{');
  });
});

it('a pair that two seeds draw is one pair, unless others vote beside the reference', () => {
  expect(keyOf(row({ seed: 1 }), 1)).toBe(keyOf(row({ seed: 0 }), 1));
  expect(keyOf(row({ seed: 1 }), 2)).not.toBe(keyOf(row({ seed: 0 }), 2));
});

it('what a stage is worth is the difference on the pairs that both have', () => {
  const choice = { strategies: 'ap-medsam', preset: undefined, votes: '1', views: 'fast' };
  const variants = chosenVariants({ ...choice, ablation: 'specks' });
  expect(variants.map(({ name }) => name)).toEqual(['ap-medsam', 'ap-medsam without specks']);
  const [whole, without] = variants;
  const results = new Map([
    [whole, [row({ dice: 0.5 }), row({ dice: 0.9, target: 'c.png' }), row({ dice: 0, target: 'only whole.png' })]],
    [without, [row({ dice: 0.4, ms: 10 }), row({ dice: 0.8, target: 'c.png', ms: 10 })]],
  ]);
  const table = ablationTable(results, 'ap-medsam');
  expect(table).toContain('+0.1000 (+0.1000 to +0.1000)');
  expect(table).toContain('12.0 / 10.0 (+2.0)');
  expect(table).toContain('2 in 1 sets');
});

it('a strategy is compared without the stages that it has, and a stage that there is not is refused', () => {
  const choice = { preset: undefined, votes: '1', views: 'fast' };
  const names = (strategies: string, ablation: string) =>
    chosenVariants({ ...choice, strategies, ablation }).map(({ name }) => name);
  expect(names('gbmseg,cluster', 'all')).toEqual([
    'gbmseg',
    'cluster',
    ...['backward', 'self', 'hard', 'sparse', 'exclusive'].map((stage) => `gbmseg without ${stage}`),
  ]);
  expect(() => names('gbmseg', 'hrad')).toThrow('there is no stage hrad');
});
