/** The rules by which a question becomes one that a segmenter can be asked, each alone and together. */
import { describe, expect, it } from 'vitest';
import { degradePrompts, isEmptyQuestion } from '../../src/core/prompting/degradation';
import type { PointPrompt, PromptSet, SegmenterCapabilities } from '../../src/core/prompting/segmenter';

const everything: SegmenterCapabilities = {
  points: true,
  negatives: true,
  box: true,
  maskPrompt: true,
  iterative: true,
  promptBatch: false,
  multimask: false,
  wholeClass: false,
};
const image = { width: 100, height: 50 };
const margin = { width: 5, height: 2 };
const at = (x: number, y: number, label: 0 | 1 = 1): PointPrompt => ({ point: { x, y }, label });
const box = { left: 10, top: 10, right: 30, bottom: 20 };
/** Positive in the last column of the upper row. */
const maskPrompt = { size: { width: 4, height: 2 }, data: Float32Array.of(-1, -1, -1, 2, -1, -1, -1, -1) };

const degrade = (prompts: PromptSet, able: Partial<SegmenterCapabilities>) =>
  degradePrompts(prompts, { ...everything, ...able }, image, margin);

it('a segmenter that can be asked anything is asked what was asked', () => {
  const prompts = { points: [at(1, 2), at(3, 4, 0)], box, maskPrompt };
  expect(degrade(prompts, {})).toEqual({ prompts, notes: [] });
});

describe('no mask prompt', () => {
  it('leaves it out beside points or a box', () => {
    expect(degrade({ points: [at(1, 2)], maskPrompt }, { maskPrompt: false })).toEqual({
      prompts: { points: [at(1, 2)] },
      notes: ['the segmenter takes no mask prompt: it was left out'],
    });
    expect(degrade({ points: [], box, maskPrompt }, { maskPrompt: false }).prompts).toEqual({ points: [], box });
  });

  it('asks for its bounding box where there is nothing else', () => {
    expect(degrade({ points: [], maskPrompt }, { maskPrompt: false })).toEqual({
      prompts: { points: [], box: { left: 75, top: 0, right: 100, bottom: 25 } },
      notes: ['the segmenter takes no mask prompt: its bounding box was given instead'],
    });
    const nothing = { ...maskPrompt, data: maskPrompt.data.map(() => -1) };
    expect(isEmptyQuestion(degrade({ points: [], maskPrompt: nothing }, { maskPrompt: false }).prompts)).toBe(true);
  });
});

describe('no negative points', () => {
  it('leaves them out, and has nothing to ask where there are no others', () => {
    const asked = degrade({ points: [at(1, 2), at(3, 4, 0)] }, { negatives: false });
    expect(asked).toEqual({
      prompts: { points: [at(1, 2)] },
      notes: ['the segmenter takes no negative points: they were left out'],
    });
    expect(isEmptyQuestion(degrade({ points: [at(3, 4, 0)] }, { negatives: false }).prompts)).toBe(true);
  });
});

describe('no points', () => {
  const able = { points: false, negatives: false };

  it('asks for the bounding box of the positive ones, half a patch wider, within the image', () => {
    expect(degrade({ points: [at(20, 10), at(40, 30)] }, able)).toEqual({
      prompts: { points: [], box: { left: 15, top: 8, right: 45, bottom: 32 } },
      notes: [
        'the segmenter takes no points: the bounding box of the positive ones stands for them, half a patch wider on each side',
      ],
    });
    expect(degrade({ points: [at(2, 49), at(99, 1)] }, able).prompts.box).toEqual({
      left: 0,
      top: 0,
      right: 100,
      bottom: 50,
    });
  });

  it('heeds no negative ones, and leaves a box as it is', () => {
    const { prompts, notes } = degrade({ points: [at(20, 10), at(90, 40, 0)] }, able);
    expect(prompts).toEqual({ points: [], box: { left: 15, top: 8, right: 25, bottom: 12 } });
    expect(notes).toHaveLength(2);
    expect(degrade({ points: [at(90, 40)], box }, able)).toEqual({
      prompts: { points: [], box },
      notes: ['the segmenter takes no points: they were left out, the box stands alone'],
    });
  });
});

describe('no box', () => {
  it('leaves it out beside positive points, and asks for its centre else', () => {
    expect(degrade({ points: [at(1, 2)], box }, { box: false })).toEqual({
      prompts: { points: [at(1, 2)] },
      notes: ['the segmenter takes no box: it was left out'],
    });
    expect(degrade({ points: [at(1, 2, 0)], box }, { box: false })).toEqual({
      prompts: { points: [at(20, 15), at(1, 2, 0)] },
      notes: ['the segmenter takes no box: its centre was given as a point instead'],
    });
  });

  it('comes by a mask prompt to a point', () => {
    const { prompts, notes } = degrade({ points: [], maskPrompt }, { maskPrompt: false, box: false });
    expect(prompts).toEqual({ points: [at(87.5, 12.5)] });
    expect(notes).toHaveLength(2);
  });
});

describe('at most some points', () => {
  it('keeps all that fit', () => {
    const points = [at(1, 1), at(2, 2), at(3, 3, 0)];
    expect(degrade({ points }, { mostPoints: 3 })).toEqual({ prompts: { points }, notes: [] });
  });

  it('keeps those farthest apart, in their order', () => {
    const points = [at(10, 10), at(11, 10), at(90, 10), at(12, 10), at(50, 40)];
    const { prompts, notes } = degrade({ points }, { mostPoints: 3 });
    expect(prompts.points).toEqual([at(10, 10), at(90, 10), at(50, 40)]);
    expect(notes).toEqual([
      'the segmenter takes at most 3 points, a box counting as two: those farthest apart were given',
    ]);
  });

  it('counts a box as two, and leaves a third of the room to negatives', () => {
    const positives = Array.from({ length: 10 }, (_, i) => at(i * 10, 0));
    const negatives = Array.from({ length: 10 }, (_, i) => at(i * 10, 50, 0));
    const labels = (prompts: PromptSet) => prompts.points.map(({ label }) => label);
    expect(labels(degrade({ points: [...positives, ...negatives] }, { mostPoints: 6 }).prompts)).toEqual([
      1, 1, 1, 1, 0, 0,
    ]);
    expect(labels(degrade({ points: [...positives, ...negatives], box }, { mostPoints: 6 }).prompts)).toEqual([
      1, 1, 1, 0,
    ]);
    expect(labels(degrade({ points: [at(0, 0), ...negatives] }, { mostPoints: 3 }).prompts)).toEqual([1, 0, 0]);
    expect(labels(degrade({ points: [...positives, at(0, 50, 0)] }, { mostPoints: 6 }).prompts)).toEqual([
      1, 1, 1, 1, 1, 0,
    ]);
  });
});
