import { describe, expect, it } from 'vitest';
import type { DecodedMask, PromptableImage, PromptSet } from '../../src/core/prompting/segmenter';
import { refine } from '../../src/core/strategies/apMedSam/refinement';
import { discs, everyCapability } from '../fakes';

const size = { width: 32, height: 32 };
const target = { width: 64, height: 128 };

const answer = (radius: number, iouPrediction: number): DecodedMask => ({
  logits: { size, data: Float32Array.from(discs(size, { x: 16, y: 16, radius }).data, (value) => value - 0.5) },
  iouPrediction,
});

/** Answers in turn; the questions are recorded. */
function scripted(answers: DecodedMask[], capabilities = everyCapability) {
  const asked: PromptSet[] = [];
  const image: PromptableImage = {
    capabilities,
    decode: async ([prompt]) => {
      asked.push(prompt);
      return [answers[asked.length - 1]];
    },
  };
  return { image, asked };
}

const points = [{ point: { x: 30, y: 60 }, label: 1 as const }];

describe('refinement', () => {
  it('feeds back logits and box, in targetPx, at most twice', async () => {
    const answers = [answer(8, 0.6), answer(10, 0.7), answer(12, 0.8)];
    const { image, asked } = scripted(answers);
    const first = answer(6, 0.5);
    expect(await refine(image, { points }, first, target)).toBe(answers[1]);
    expect(asked).toHaveLength(2);
    expect(asked[0]).toEqual({ points, box: { left: 20, top: 40, right: 44, bottom: 88 }, maskPrompt: first.logits });
    expect(asked[1].maskPrompt).toBe(answers[0].logits);
  });

  it('stops when a round changes next to nothing', async () => {
    const { image, asked } = scripted([answer(6, 0.6), answer(12, 0.9)]);
    await refine(image, { points }, answer(6, 0.5), target);
    expect(asked).toHaveLength(1);
  });

  it('never returns an answer that the segmenter believes in less', async () => {
    const first = answer(6, 0.5);
    const { image, asked } = scripted([answer(12, 0.4)]);
    expect(await refine(image, { points }, first, target)).toBe(first);
    expect(asked).toHaveLength(1);
  });

  it('asks only for what the segmenter knows, and nothing about an empty mask', async () => {
    const limited = scripted([answer(6, 0.6)], { ...everyCapability, maskPrompt: false, box: false });
    await refine(limited.image, { points }, answer(6, 0.5), target);
    expect(limited.asked).toEqual([{ points }]);
    const empty = scripted([]);
    const first = answer(0, 0.5);
    expect(await refine(empty.image, { points }, first, target)).toBe(first);
  });
});
