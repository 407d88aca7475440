/** Edits: refused where nothing may be changed, and noted whose the pixels of each class then are. */
import { expect, it } from 'vitest';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { Outcome } from '../../src/core/userError';
import { Edits } from '../../src/editor/document/edits';
import { type ClassOrigin, LabelDocument } from '../../src/editor/document/labelDocument';
import { labels } from '../dataset/fixtures';

const BLANK = new Array(12).fill(0);

it('are of a person in every class that they change, unless they say otherwise', () => {
  const document = new LabelDocument(labels([1, 1, ...BLANK.slice(2)]), () => undefined);
  const reported: string[] = [];
  const edits = new Edits(
    document,
    () => null,
    ({ label }) => reported.push(label),
  );
  const over = changeBetween(document.labels, labels([2, 1, ...BLANK.slice(2)]));
  expect(edits.make('Brush Stroke', over, {})).toBe(false);
  expect([...document.state.origins]).toEqual([
    [1, { by: 'person' }],
    [2, { by: 'person' }],
  ]);
  const run = { by: 'run', run: 'key' } as ClassOrigin;
  const origins = edits.originsWith([2], run);
  edits.make('Segment Image', changeBetween(document.labels, labels([0, 1, ...BLANK.slice(2)])), { origins });
  expect([...document.state.origins]).toEqual([
    [1, { by: 'person' }],
    [2, run],
  ]);
  expect(reported).toEqual(['Brush Stroke', 'Segment Image']);
});

it('are refused, as news, while there is a reason', () => {
  let reason: string | null = 'nothing can be saved here';
  const edits = new Edits(
    new LabelDocument(labels(BLANK), () => undefined),
    () => reason,
    () => undefined,
  );
  expect(() => edits.checkWritable()).toThrow(new Outcome('nothing can be saved here'));
  reason = null;
  expect(() => edits.checkWritable()).not.toThrow();
});
