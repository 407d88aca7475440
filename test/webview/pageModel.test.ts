import { describe, expect, it } from 'vitest';
import { Stroke } from '../../src/core/drawing/brush';
import { classInk, eraserInk } from '../../src/core/drawing/ink';
import { applyChange, changeBetween, fits, type LabelChange, rebase } from '../../src/core/drawing/labelChange';
import type { Box } from '../../src/core/geometry';
import { blankLabels, type LabelMap, toLabelRuns } from '../../src/core/pixels/labelMap';
import type { DocumentUpdate, EditorState } from '../../src/protocol/editorApi';
import { type ModelHost, PageModel } from '../../webview/document/pageModel';
import { drawLabels, randomLabels, rowsOf, seededRandom } from '../seeded';
import { isWaiting, sessionOf, someFacts, stateOf } from './documents';

const copyOf = ({ size, data }: LabelMap): LabelMap => ({ size, data: data.slice() });

interface Told {
  boxes: Box[];
  facts: number;
  resets: number;
  errors: unknown[];
}

function modelOf(state: EditorState, host: Partial<ModelHost> = {}) {
  const told: Told = { boxes: [], facts: 0, resets: 0, errors: [] };
  const sent: { label: string; change: LabelChange }[] = [];
  const model = new PageModel(
    state,
    {
      paint: async (params) => {
        sent.push(params);
      },
      ready: async () => state,
      ...host,
    },
    {
      onPixels: (box) => told.boxes.push(box),
      onFacts: () => told.facts++,
      onReset: () => told.resets++,
      onError: (error) => told.errors.push(error),
    },
  );
  return { model, told, sent };
}

const updateTo = (before: LabelMap, after: LabelMap, more: Partial<DocumentUpdate> = {}): DocumentUpdate => ({
  change: changeBetween(before, after),
  automatic: null,
  session: null,
  facts: someFacts,
  ...more,
});

/** Lets everything that is already settled run. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

function draw(model: PageModel, x: number, y: number, radius = 1.2, classId = 1): Stroke {
  const stroke = new Stroke(model.labels, classInk(classId, true), radius);
  stroke.moveTo({ x, y });
  return stroke;
}

describe('an update', () => {
  const before = drawLabels(['....', '.11.', '....']);
  const after = drawLabels(['....', '.122', '...2']);

  it('changes pixels, session, result and facts, and says where', () => {
    const { model, told } = modelOf(stateOf(before));
    const session = sessionOf(before, { points: [{ point: { x: 1, y: 1 }, label: 1 }] });
    model.update(updateTo(before, after, { session, facts: { ...someFacts, dirty: true } }));
    expect(model.labels).toEqual(after);
    expect(model.session).toBe(session);
    expect(model.facts.dirty).toBe(true);
    expect(told.boxes).toEqual([{ left: 2, top: 1, right: 4, bottom: 3 }]);
    expect(told.facts).toBe(1);
  });

  it('without pixels leaves them', () => {
    const { model, told } = modelOf(stateOf(before));
    model.update({ change: null, automatic: null, session: null, facts: { ...someFacts, status: 'accepted' } });
    expect(model.labels).toEqual(before);
    expect(model.facts.status).toBe('accepted');
    expect(told.boxes).toEqual([]);
  });
});

describe('counts', () => {
  it('follow every change', async () => {
    const labels = drawLabels(['..1', '2?1']);
    const { model } = modelOf(stateOf(labels));
    const expected = () => [0, 1, 2, 255].map((value) => model.labels.data.filter((other) => other === value).length);
    const counted = () => [0, 1, 2, 255].map((value) => model.counts[value]);
    expect(counted()).toEqual([2, 2, 1, 1]);
    expect(model.shareOf(1)).toBeCloseTo(1 / 3);
    model.update(updateTo(labels, drawLabels(['...', '221'])));
    expect(counted()).toEqual(expected());
    model.startStroke();
    const stroke = draw(model, 0.5, 0.5);
    model.endStroke('Brush', stroke.change());
    expect(counted()).toEqual(expected());
    await settle();
    model.reset(stateOf(labels));
    expect(counted()).toEqual([2, 2, 1, 1]);
  });
});

describe('a stroke', () => {
  it('is sent once, when it ends, as the exact change', () => {
    const labels = drawLabels(['....', '....', '2...']);
    const { model, sent, told } = modelOf(stateOf(labels));
    model.startStroke();
    const stroke = draw(model, 1, 1);
    stroke.moveTo({ x: 3, y: 1 });
    stroke.moveTo({ x: 1, y: 1 });
    expect(sent).toEqual([]);
    model.endStroke('Brush', stroke.change());
    expect(sent).toEqual([{ label: 'Brush', change: changeBetween(labels, model.labels) }]);
    expect(told.boxes).toEqual([]);
  });

  it('that changes nothing is not sent', () => {
    const { model, sent } = modelOf(stateOf(drawLabels(['11', '11'])));
    model.startStroke();
    model.endStroke('Brush', draw(model, 1, 1).change());
    expect(sent).toEqual([]);
  });

  it('makes updates and facts wait, and lies on top of them', () => {
    const labels = blankLabels({ width: 5, height: 1 });
    const { model, sent, told } = modelOf(stateOf(labels));
    model.startStroke();
    const stroke = new Stroke(model.labels, classInk(1, false), 0.5);
    stroke.moveTo({ x: 1.5, y: 0.5 });
    model.update(updateTo(labels, drawLabels(['.222.']), { facts: { ...someFacts, dirty: true } }));
    model.showFacts({ ...someFacts, status: 'edited' });
    expect(rowsOf(model.labels)).toEqual(['.1...']);
    expect(model.facts).toEqual(someFacts);
    stroke.moveTo({ x: 2.5, y: 0.5 });
    model.endStroke('Brush', stroke.change());
    expect(rowsOf(model.labels)).toEqual(['.112.']);
    expect(model.facts.status).toBe('edited');
    const host = drawLabels(['.222.']);
    expect(fits(host, sent[0].change)).toBe(true);
    applyChange(host, sent[0].change);
    expect(host).toEqual(model.labels);
    expect(told.boxes.length).toBeGreaterThan(0);
  });

  it('that is given up leaves nothing', () => {
    const labels = drawLabels(['1..', '...']);
    const { model, sent, told } = modelOf(stateOf(labels));
    model.startStroke();
    const stroke = draw(model, 1, 1);
    model.update(updateTo(labels, drawLabels(['1.2', '...'])));
    model.dropStroke(stroke.change());
    expect(rowsOf(model.labels)).toEqual(['1.2', '...']);
    expect(sent).toEqual([]);
    expect(told.boxes.length).toBe(2);
    expect(isWaiting(model)).toBe(false);
  });
});

describe('an update that crosses a paint', () => {
  const labels = drawLabels(['.....']);

  function painted() {
    const answers: (() => void)[] = [];
    const setup = modelOf(stateOf(labels), { paint: () => new Promise<void>((resolve) => answers.push(resolve)) });
    for (const x of [1.5, 3.5]) {
      setup.model.startStroke();
      setup.model.endStroke('Brush', draw(setup.model, x, 0.5, 0.5).change());
    }
    expect(rowsOf(setup.model.labels)).toEqual(['.1.1.']);
    return { ...setup, answers };
  }

  it('lies below it', () => {
    const { model, told } = painted();
    model.update(updateTo(labels, drawLabels(['222..'])));
    expect(rowsOf(model.labels)).toEqual(['2121.']);
    expect(told.boxes).toContainEqual({ left: 0, top: 0, right: 3, bottom: 1 });
  });

  it('lies on top of it once the paint is answered', async () => {
    const { model, answers } = painted();
    answers[0]();
    await settle();
    model.update(updateTo(drawLabels(['.1...']), drawLabels(['22222'])));
    expect(rowsOf(model.labels)).toEqual(['22212']);
  });

  it('lies on top of it where it says that it has seen it', () => {
    const { model, told } = painted();
    model.update(updateTo(drawLabels(['.1...']), drawLabels(['22222'])));
    expect(rowsOf(model.labels)).toEqual(['22212']);
    expect(told.resets).toBe(0);
  });

  it('during the next stroke counts as of when it came', async () => {
    const { model, answers } = painted();
    model.startStroke();
    const stroke = draw(model, 4.5, 0.5, 0.5);
    model.update(updateTo(labels, drawLabels(['22222'])));
    for (const answer of answers) answer();
    await settle();
    model.endStroke('Brush', stroke.change());
    expect(rowsOf(model.labels)).toEqual(['21211']);
  });
});

describe('a reset', () => {
  it('replaces everything, during a stroke too', () => {
    const { model, told, sent } = modelOf(stateOf(blankLabels({ width: 3, height: 1 })));
    model.startStroke();
    draw(model, 1, 0.5);
    model.update(updateTo(blankLabels({ width: 3, height: 1 }), drawLabels(['222'])));
    const labels = drawLabels(['12', '..']);
    model.reset(stateOf(labels, { dirty: true }));
    expect(model.labels).toEqual(labels);
    expect(model.facts.dirty).toBe(true);
    expect(isWaiting(model)).toBe(false);
    expect(told.resets).toBe(1);
    expect(sent).toEqual([]);
  });
});

describe('a page out of step', () => {
  it('asks for everything when an update does not fit', async () => {
    const truth = drawLabels(['2222']);
    const { model, told } = modelOf(stateOf(blankLabels({ width: 4, height: 1 })), {
      ready: async () => stateOf(truth),
    });
    model.update(updateTo(drawLabels(['1111']), drawLabels(['1122'])));
    await settle();
    expect(model.labels).toEqual(truth);
    expect(told.resets).toBe(1);
  });

  it('asks for everything when a paint is refused', async () => {
    const labels = blankLabels({ width: 4, height: 1 });
    const { model, told } = modelOf(stateOf(labels), { paint: () => Promise.reject(new Error('read-only')) });
    model.startStroke();
    model.endStroke('Brush', draw(model, 1, 0.5).change());
    expect(rowsOf(model.labels)).toEqual(['11..']);
    await settle();
    expect(rowsOf(model.labels)).toEqual(['....']);
    expect(told.errors.map(String)).toEqual(['Error: read-only']);
  });

  it('asks again for a state made while a paint was under way', async () => {
    const labels = blankLabels({ width: 4, height: 1 });
    let answer = () => {};
    let asked = 0;
    const { model } = modelOf(stateOf(labels), {
      paint: () =>
        new Promise<void>((resolve) => {
          answer = resolve;
        }),
      ready: async () => {
        asked++;
        return stateOf(drawLabels(['1122']));
      },
    });
    model.startStroke();
    model.endStroke('Brush', draw(model, 1, 0.5).change());
    model.reset(stateOf(drawLabels(['..22'])));
    await settle();
    answer();
    await settle();
    expect(asked).toBe(1);
    expect(rowsOf(model.labels)).toEqual(['1122']);
  });
});

describe('page and host', () => {
  /** A host that makes edits of its own, with queues between it and the page that deliver late but in order. */
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('end alike, whatever crosses on the way (%i)', async (seed) => {
    const random = seededRandom(seed);
    const size = { width: 9, height: 7 };
    const truth = randomLabels(size, [0, 1, 2], random);
    const toHost: (() => void)[] = [];
    const toPage: (() => void)[] = [];
    const initial = stateOf(copyOf(truth));

    const edit = () => {
      const after = randomLabels(size, [0, 0, 0, 1, 2], random);
      for (let at = 0; at < truth.data.length; at++) if (random() < 0.8) after.data[at] = truth.data[at];
      const update = updateTo(copyOf(truth), after);
      truth.data.set(after.data);
      toPage.push(() => model.update(update));
    };
    const { model, told } = modelOf(initial, {
      paint: ({ change }) =>
        new Promise<void>((resolve) => {
          toHost.push(() => {
            applyChange(truth, fits(truth, change) ? change : rebase(truth, change));
            toPage.push(resolve);
          });
        }),
      ready: () =>
        new Promise<EditorState>((resolve) => {
          toHost.push(() => {
            const state = { ...initial, labels: toLabelRuns(truth) };
            toPage.push(() => resolve(state));
          });
        }),
    });

    let stroke: Stroke | undefined;
    const flushed = async (queue: (() => void)[]) => {
      queue.shift()?.();
      for (let k = 0; k < 10; k++) await Promise.resolve();
    };
    for (let step = 0; step < 600; step++) {
      const dice = random();
      if (dice < 0.25) await flushed(toHost);
      else if (dice < 0.5) await flushed(toPage);
      else if (dice < 0.6) edit();
      else if (!stroke) {
        model.startStroke();
        stroke = new Stroke(model.labels, random() < 0.7 ? classInk(1, random() < 0.5) : eraserInk(1, true), 1.5);
      } else if (dice < 0.9) stroke.moveTo({ x: random() * 9, y: random() * 7 });
      else {
        if (dice < 0.97) model.endStroke('Brush', stroke.change());
        else model.dropStroke(stroke.change());
        stroke = undefined;
      }
    }
    if (stroke) model.endStroke('Brush', stroke.change());
    while (toHost.length + toPage.length > 0) {
      await flushed(toHost);
      await flushed(toPage);
    }
    expect(rowsOf(model.labels)).toEqual(rowsOf(truth));
    expect(told.errors).toEqual([]);
    expect(told.resets).toBe(0);
    for (const value of [0, 1, 2]) expect(model.counts[value]).toBe(truth.data.filter((v) => v === value).length);
  });
});
