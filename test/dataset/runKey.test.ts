import { describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { type RunKeyParts, runKeyOf } from '../../src/dataset/runKey';

const parts: RunKeyParts = {
  classId: 1,
  imageHash: 'image',
  maskHash: 'mask',
  encoder: { id: 'e', sha256: 'encoder' },
  segmenter: { id: 's', sha256: 'segmenter' },
  strategy: 'ap-medsam',
  parameters: DEFAULT_PARAMETERS,
  window: { low: 1, high: 2 },
};

describe('a run key', () => {
  it('is that of earlier versions where nothing new is used, so that what they did is done', () => {
    expect(runKeyOf(parts)).toBe('29e7e17709d24394dca04d61239ae908f286872a3e6560af90475f32a3e23cb1');
  });

  it('tells voters apart, and their order', () => {
    const [a, b] = ['a', 'b'].map((name) => [`image ${name}`, `mask ${name}`]);
    const keys = [undefined, [a], [b], [a, b], [b, a]].map((more) =>
      runKeyOf({ ...parts, ...(more && { others: more }) }),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });
});
