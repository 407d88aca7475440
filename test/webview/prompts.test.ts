/** Questions to the segmenter: their order, and what the prompts are while they are under way. */
import { describe, expect, it } from 'vitest';
import { blankLabels } from '../../src/core/pixels/labelMap';
import type { AutomaticResult, PromptAnswer, PromptSession } from '../../src/protocol/editorApi';
import { PageModel } from '../../webview/document/pageModel';
import { PromptDesk } from '../../webview/document/promptDesk';
import { type PromptQuestion, PromptQueue } from '../../webview/document/promptQueue';
import { automaticOf, candidateAt, sessionOf, someFacts, stateOf } from './documents';

const labels = blankLabels({ width: 20, height: 20 });
const answer: PromptAnswer = { asked: true, iouPrediction: 0.8, milliseconds: 5 };

interface Setup {
  readonly automatic?: AutomaticResult;
  readonly session?: PromptSession;
  readonly wholeClass?: boolean;
}

function setUp({ automatic, session, wholeClass = true }: Setup = {}) {
  const asked: (PromptQuestion & { answer(answer: PromptAnswer): Promise<void>; fail(error: Error): Promise<void> })[] =
    [];
  const answered: number[] = [];
  const errors: unknown[] = [];
  const capabilities = someFacts.capabilities && { ...someFacts.capabilities, wholeClass };
  const state = { ...stateOf(labels, { capabilities }), automatic: automatic ?? null, session: session ?? null };
  const model = new PageModel(
    state,
    { paint: async () => undefined, ready: async () => state },
    { onPixels: () => {}, onFacts: () => {}, onReset: () => {}, onError: (error) => errors.push(error) },
  );
  const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
  const queue = new PromptQueue(
    (question) =>
      new Promise((resolve, reject) => {
        asked.push({
          ...question,
          answer: (given) => {
            resolve(given);
            return settle();
          },
          fail: (error) => {
            reject(error);
            return settle();
          },
        });
      }),
    { onChange: () => {}, onAnswer: (_, since) => answered.push(since), onError: (error) => errors.push(error) },
  );
  return { model, queue, desk: new PromptDesk(model, queue, () => {}), asked, answered, errors };
}

const positive = (x: number, y: number) => ({ point: { x, y }, label: 1 as const });
const negative = (x: number, y: number) => ({ point: { x, y }, label: 0 as const });

describe('the queue', () => {
  const question = (x: number): PromptQuestion => ({
    label: 'Add Positive Point',
    prompts: { points: [positive(x, 1)], box: null },
  });

  it('asks one at a time, and of those that wait only the newest', async () => {
    const { queue, asked, answered } = setUp();
    for (const x of [1, 2, 3]) queue.push(question(x), x * 10);
    expect(asked.length).toBe(1);
    expect(queue.wanted).toEqual(question(3).prompts);
    await asked[0].answer(answer);
    expect(asked.map(({ prompts }) => prompts.points[0].point.x)).toEqual([1, 3]);
    expect(queue.isBusy).toBe(true);
    await asked[1].answer(answer);
    expect(answered).toEqual([10, 30]);
    expect(queue.isBusy).toBe(false);
    expect(queue.wanted).toBeNull();
  });

  it('tells of no answer where the host did not ask', async () => {
    const { queue, asked, answered } = setUp();
    queue.push(question(1), 1);
    await asked[0].answer({ asked: false, iouPrediction: null, milliseconds: 0 });
    expect(answered).toEqual([]);
  });

  it('goes on after an error', async () => {
    const { queue, asked, errors } = setUp();
    queue.push(question(1), 1);
    queue.push(question(2), 2);
    await asked[0].fail(new Error('the engine has died'));
    expect(errors.map(String)).toEqual(['Error: the engine has died']);
    expect(asked.length).toBe(2);
    await asked[1].answer(answer);
    expect(queue.wanted).toBeNull();
  });

  it('forgets what is dropped, and hears no late answer to it', async () => {
    const { queue, asked, answered, errors } = setUp();
    queue.push(question(1), 1);
    queue.push(question(2), 2);
    queue.drop();
    expect(queue.wanted).toBeNull();
    queue.push(question(3), 3);
    await asked[0].fail(new Error('cancelled'));
    expect(queue.wanted).toEqual(question(3).prompts);
    await asked[1].answer(answer);
    expect(asked.map(({ prompts }) => prompts.points[0].point.x)).toEqual([1, 3]);
    expect(answered).toEqual([3]);
    expect(errors).toEqual([]);
  });

  it('is settled when nothing waits any more', async () => {
    const { queue, asked } = setUp();
    let isSettled = false;
    queue.push(question(1), 1);
    queue.push(question(2), 2);
    const done = queue.settled().then(() => {
      isSettled = true;
    });
    await asked[0].answer(answer);
    expect(isSettled).toBe(false);
    await asked[1].answer(answer);
    await done;
    expect(isSettled).toBe(true);
    await queue.settled();
  });
});

describe('the desk', () => {
  it('builds on what was asked, whether it is answered or not', async () => {
    const { desk, asked, model } = setUp();
    desk.add(positive(1, 1), 0);
    desk.add(negative(2, 2), 0);
    desk.add(positive(3, 3), 0);
    expect(desk.prompts.points).toEqual([positive(1, 1), negative(2, 2), positive(3, 3)]);
    expect(desk.shown?.points.length).toBe(3);
    expect(desk.isActive).toBe(true);
    await asked[0].answer(answer);
    expect(asked[1]).toMatchObject({ label: 'Add Positive Point', prompts: desk.prompts });
    const session = sessionOf(labels, { points: desk.prompts.points });
    model.update({ change: null, automatic: null, session, facts: someFacts });
    await asked[1].answer(answer);
    expect(desk.shown).toBe(session);
    desk.flip(1, 0);
    expect(asked[2]).toMatchObject({ label: 'Flip Point' });
    expect(desk.prompts.points[1]).toEqual(positive(2, 2));
    desk.remove(0, 0);
    expect(desk.prompts.points).toEqual([positive(2, 2), positive(3, 3)]);
    desk.remove(7, 0);
    expect(desk.prompts.points.length).toBe(2);
  });

  it('shows what is dragged without asking', () => {
    const { desk, asked } = setUp({ session: sessionOf(labels, { points: [positive(1, 1)] }) });
    desk.show({ points: [positive(9, 9)], box: null });
    expect(desk.shown?.points).toEqual([positive(9, 9)]);
    expect(desk.prompts.points).toEqual([positive(1, 1)]);
    desk.show(null);
    expect(desk.shown?.points).toEqual([positive(1, 1)]);
    expect(asked).toEqual([]);
  });

  it('has no session once the last prompt is gone', () => {
    const { desk, asked } = setUp({ session: sessionOf(labels, { points: [positive(1, 1)] }) });
    desk.remove(0, 0);
    expect(asked[0].prompts).toEqual({ points: [], box: null });
    expect(desk.isActive).toBe(false);
    expect(desk.shown).toBeNull();
  });

  it('forgets what was asked when the session is discarded', async () => {
    const { desk, asked } = setUp();
    desk.add(positive(1, 1), 0);
    desk.forget();
    expect(desk.isActive).toBe(false);
    await asked[0].answer(answer);
    expect(desk.shown).toBeNull();
  });

  it('keeps points and box of one session', () => {
    const box = { left: 1, top: 2, right: 5, bottom: 6 };
    const { desk } = setUp({ session: sessionOf(labels, { points: [positive(1, 1)] }) });
    desk.setBox(box, 0);
    expect(desk.prompts).toEqual({ points: [positive(1, 1)], box });
    desk.add(negative(4, 4), 0);
    expect(desk.prompts.box).toEqual(box);
    desk.setBox(null, 0);
    expect(desk.prompts).toEqual({ points: [positive(1, 1), negative(4, 4)], box: null });
  });
});

describe('an automatic prompt', () => {
  const automatic = automaticOf([
    candidateAt(1, 1),
    candidateAt(2, 2, { reason: 'outlier' }),
    candidateAt(3, 3, { label: 0, instance: 1 }),
    candidateAt(4, 4, { instance: 1 }),
    candidateAt(5, 5, { reason: 'thinned' }),
  ]);
  const xs = (points: readonly { point: { x: number } }[] | undefined) => points?.map(({ point }) => point.x);

  it('that was kept starts a session of all that were', () => {
    const touched = setUp({ automatic }).desk.touch({ kind: 'candidate', index: 3 });
    expect(touched).toMatchObject({ index: 2, isNew: true, isRejected: false });
    expect(touched?.prompts.points).toEqual([positive(1, 1), negative(3, 3), positive(4, 4)]);
  });

  it('that was dropped joins them', () => {
    const touched = setUp({ automatic }).desk.touch({ kind: 'candidate', index: 1 });
    expect(touched).toMatchObject({ index: 1, isNew: true, isRejected: true });
    expect(xs(touched?.prompts.points)).toEqual([1, 2, 3, 4]);
  });

  it('brings only its own instance where the segmenter answers one object at a time', () => {
    const touched = setUp({ automatic, wholeClass: false }).desk.touch({ kind: 'candidate', index: 3 });
    expect(xs(touched?.prompts.points)).toEqual([3, 4]);
    expect(touched?.index).toBe(1);
  });

  it('joins the session that there is', () => {
    const session = sessionOf(labels, { points: [positive(9, 9)] });
    const touched = setUp({ automatic, session }).desk.touch({ kind: 'candidate', index: 4 });
    expect(touched).toMatchObject({ index: 1, isNew: true });
    expect(xs(touched?.prompts.points)).toEqual([9, 5]);
  });

  it('of another class than the active one is none of its points', () => {
    const { desk } = setUp({ automatic: { ...automatic, classId: 2 } });
    expect(desk.touch({ kind: 'candidate', index: 0 })).toBeNull();
  });

  it('is left out when it is removed, unless it was dropped already', () => {
    const { desk, asked } = setUp({ automatic });
    expect(desk.removeTouched(desk.touch({ kind: 'candidate', index: 1 }), 0)).toBe(false);
    expect(desk.removeTouched(desk.touch({ kind: 'candidate', index: 0 }), 0)).toBe(true);
    expect(xs(asked[0].prompts.points)).toEqual([3, 4]);
  });
});
