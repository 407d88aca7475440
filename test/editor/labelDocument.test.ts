/** Edits of a document: what they change, what undo and redo bring back, and when there is unsaved work. */
import { describe, expect, it } from 'vitest';
import { changeBetween, type LabelChange } from '../../src/core/drawing/labelChange';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import type { JournalEntry } from '../../src/dataset/journal/journalView';
import { classesIn, LabelDocument } from '../../src/editor/document/labelDocument';

const SIZE = { width: 4, height: 2 };
const map = (...values: number[]): LabelMap => ({ size: SIZE, data: Uint8Array.from(values) });
const BLANK = map(0, 0, 0, 0, 0, 0, 0, 0);
const copy = ({ size, data }: LabelMap): LabelMap => ({ size, data: data.slice() });

/** A document with `set(values)`, an edit that makes its labels those. */
function open(labels: LabelMap = copy(BLANK)) {
  const heard: (LabelChange | null)[] = [];
  const document = new LabelDocument(labels, (change) => heard.push(change));
  const set = (...values: number[]) => {
    const change = changeBetween(document.labels, map(...values));
    const origins = new Map([
      ...document.state.origins,
      ...[...classesIn(change)].map((id) => [id, { by: 'person' as const }] as const),
    ]);
    return document.edit('Test', change, { origins }).edit;
  };
  return { document, heard, set, values: () => [...document.labels.data] };
}

describe('edits', () => {
  it('change pixels and state, and tell of the change', () => {
    const { document, heard, set, values } = open();
    set(0, 1, 1, 0, 0, 0, 0, 0);
    expect(values()).toEqual([0, 1, 1, 0, 0, 0, 0, 0]);
    expect(heard).toHaveLength(1);
    expect([...heard[0]!.starts]).toEqual([1]);
    expect(document.state.origins.get(1)).toEqual({ by: 'person' });
    expect(document.dirty).toBe(true);
  });

  it('undo and redo any number of steps, pixels and prompts alike', () => {
    const { document, values } = open();
    const session = { classId: 1, points: [], box: null, origin: 'person' as const, iouPrediction: 0.5 };
    const base = { size: SIZE, runs: Uint32Array.of(8) };
    const steps = [map(1, 0, 0, 0, 0, 0, 0, 0), map(1, 2, 0, 0, 0, 0, 0, 0), map(0, 2, 2, 0, 0, 0, 0, 3)];
    const seen: [number[], unknown][] = [[values(), document.state.session]];
    const edits = steps.map((labels, i) => {
      const change = changeBetween(document.labels, labels);
      const state = { session: { ...session, base, points: [{ point: { x: i, y: 0 }, label: 1 as const }] } };
      const { edit } = document.edit('Step', change, state);
      seen.push([values(), document.state.session]);
      return edit;
    });
    for (let i = 2; i >= 0; i--) {
      expect(document.undo(edits[i])).toBe(true);
      expect([values(), document.state.session]).toEqual(seen[i]);
    }
    expect(document.dirty).toBe(false);
    for (let i = 0; i < 3; i++) {
      expect(document.redo(edits[i])).toBe(true);
      expect([values(), document.state.session]).toEqual(seen[i + 1]);
    }
  });

  it('made from older labels keep their pixels and say that they were stale', () => {
    const { document, set, values } = open();
    const older = changeBetween(BLANK, map(0, 2, 2, 0, 0, 0, 0, 0));
    set(0, 1, 0, 0, 0, 0, 0, 0);
    const { edit, stale } = document.edit('Late', older, {});
    expect(stale).toBe(true);
    expect(values()).toEqual([0, 2, 2, 0, 0, 0, 0, 0]);
    document.undo(edit);
    expect(values()).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it('cannot be undone on pixels that are no longer theirs', () => {
    const { document, set, values } = open();
    const edit = set(1, 1, 0, 0, 0, 0, 0, 0);
    document.replace(map(3, 3, 3, 3, 0, 0, 0, 0));
    expect(document.undo(edit)).toBe(false);
    expect(values()).toEqual([3, 3, 3, 3, 0, 0, 0, 0]);
  });
});

describe('unsaved work', () => {
  it('is what was edited since the checkpoint, also while the disk was writing', () => {
    const { document, set } = open();
    set(1, 0, 0, 0, 0, 0, 0, 0);
    const markSaved = document.checkpoint();
    const late = set(1, 1, 0, 0, 0, 0, 0, 0);
    markSaved();
    expect(document.dirty).toBe(true);
    expect(document.state.origins.size).toBe(1);
    document.undo(late);
    expect(document.dirty).toBe(false);
    expect(document.state.origins.size).toBe(0);
  });

  it('undone past what was saved is a person`s decision about these classes', () => {
    const { document } = open();
    const origin = { by: 'run', run: 'r', result: {} as never } as const;
    const change = changeBetween(document.labels, map(7, 7, 0, 0, 0, 0, 0, 0));
    const { edit } = document.edit('Segment', change, { origins: new Map([[7, origin]]) });
    document.checkpoint()();
    document.undo(edit);
    expect(document.dirty).toBe(true);
    expect(document.state.origins.get(7)).toEqual({ by: 'person' });
    document.redo(edit);
    expect(document.dirty).toBe(false);
    expect(document.state.origins.size).toBe(0);
  });

  it('undone to what was accepted is accepted again', () => {
    const { document, set } = open();
    const accepted = { status: 'accepted', mask: 'm', time: '2026-01-01T00:00:00.000Z' } as JournalEntry;
    document.standing = new Map([[7, accepted]]);
    const origin = { by: 'run', run: 'r', result: {} as never } as const;
    const change = changeBetween(document.labels, map(7, 7, 0, 0, 0, 0, 0, 0));
    const { edit } = document.edit('Segment', change, { origins: new Map([[7, origin]]) });
    document.checkpoint()();
    document.standing = new Map([[7, { ...accepted, status: 'auto' as const }]]);
    const later = set(7, 7, 7, 0, 0, 0, 0, 0);
    document.checkpoint()();
    document.undo(later);
    expect(document.state.origins.get(7)).toMatchObject({ by: 'before', entry: { status: 'auto' } });
    document.undo(edit);
    expect(document.state.origins.get(7)).toEqual({ by: 'before', entry: accepted });
    document.redo(edit);
    expect(document.state.origins.get(7)).toEqual(origin);
  });

  it('is never clean again once the saved edit can no longer be reached', () => {
    const { document, set } = open();
    const first = set(1, 0, 0, 0, 0, 0, 0, 0);
    document.checkpoint()();
    document.undo(first);
    const other = set(0, 0, 0, 2, 0, 0, 0, 0);
    expect(document.dirty).toBe(true);
    document.undo(other);
    expect(document.dirty).toBe(true);
  });

  it('is all of a restored backup', () => {
    const state = { session: null, automatic: null, origins: new Map([[1, { by: 'person' as const }]]) };
    const document = new LabelDocument(copy(BLANK), () => undefined, state);
    expect(document.dirty).toBe(true);
    document.checkpoint()();
    expect(document.dirty).toBe(false);
  });
});

it('classes of a change are those that lose or gain pixels', () => {
  const change = changeBetween(map(1, 1, 0, 255, 0, 0, 0, 0), map(0, 2, 3, 0, 0, 0, 0, 0));
  expect([...classesIn(change)].sort()).toEqual([1, 2, 3]);
});
