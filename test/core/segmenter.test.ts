import { describe, expect, it } from 'vitest';
import { checkPrompts, type PointPrompt, type PromptSet } from '../../src/core/prompting/segmenter';
import { everyCapability } from '../fakes';

const positive: PointPrompt = { point: { x: 3, y: 4.5 }, label: 1 };
const negative: PointPrompt = { point: { x: -7, y: 900 }, label: 0 };
const box = { left: 1, top: 2, right: 3.5, bottom: 4 };
const maskPrompt = { size: { width: 3, height: 2 }, data: new Float32Array(6) };

describe('checkPrompts', () => {
  it.each<[string, PromptSet]>([
    ['points, off the image too', { points: [positive, negative] }],
    ['a box alone', { points: [], box }],
    ['a mask prompt alone', { points: [], maskPrompt }],
    ['all at once', { points: [positive], box, maskPrompt }],
  ])('lets %s pass', (_, prompts) => {
    expect(() => checkPrompts(prompts, everyCapability)).not.toThrow();
  });

  it.each<[string, PromptSet, string]>([
    ['nothing', { points: [] }, 'expected a point, a box or a mask prompt, got none'],
    [
      'a point that is nowhere',
      { points: [positive, { point: { x: Number.NaN, y: 1 }, label: 1 }] },
      'expected points of finite x and y with label 0 or 1, got (NaN, 1): 1',
    ],
    [
      'another label',
      { points: [{ point: { x: 1, y: 2 }, label: 2 as 1 }] },
      'expected points of finite x and y with label 0 or 1, got (1, 2): 2',
    ],
    [
      'a box without an inside',
      { points: [], box: { ...box, right: 1 } },
      'expected a box with left < right and top < bottom, got {"left":1,"top":2,"right":1,"bottom":4}',
    ],
    [
      'an endless box',
      { points: [], box: { ...box, bottom: Number.POSITIVE_INFINITY } },
      'expected a box with left < right and top < bottom, got {"left":1,"top":2,"right":3.5,"bottom":null}',
    ],
    [
      'a mask prompt that does not fill its size',
      { points: [], maskPrompt: { ...maskPrompt, data: new Float32Array(5) } },
      'a mask prompt of 3 x 2 needs 6 values, got 5',
    ],
    [
      'a mask prompt of no size',
      { points: [], maskPrompt: { size: { width: 0, height: 2 }, data: new Float32Array() } },
      'a mask prompt has at least one value, got 0 x 2',
    ],
    [
      'a mask prompt with holes',
      { points: [], maskPrompt: { ...maskPrompt, data: new Float32Array(6).fill(Number.NaN, 2, 3) } },
      'a mask prompt holds finite logits only',
    ],
  ])('refuses %s', (_, prompts, message) => {
    expect(() => checkPrompts(prompts, everyCapability)).toThrow(new RangeError(message));
  });

  it.each<[string, PromptSet, Partial<typeof everyCapability>]>([
    ['points', { points: [positive] }, { points: false }],
    ['negative points', { points: [positive, negative] }, { negatives: false }],
    ['box', { points: [positive], box }, { box: false }],
    ['mask prompt', { points: [positive], maskPrompt }, { maskPrompt: false }],
  ])('says so where the segmenter takes no %s', (name, prompts, lacking) => {
    const capabilities = { ...everyCapability, ...lacking };
    expect(() => checkPrompts(prompts, capabilities)).toThrow(new RangeError(`the segmenter takes no ${name}`));
  });
});
