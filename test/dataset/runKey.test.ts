import { describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { type RunKeyParts, runKeyOf } from '../../src/dataset/batch/runKey';

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
  // A new one is right where masks are others than before: the last time, views and single pixels.
  it('stays as it is while masks stay as they are, so that what is done stays done', () => {
    expect(runKeyOf(parts)).toBe('80f6aeeea4e0061c8d9b6269a9b3d664a2a1fd7fcb7275d524e52996d686fce8');
  });

  it('tells the bands apart that are shown', () => {
    const keys = [undefined, [1, 2, 3], [3, 2, 1]].map((bands) =>
      runKeyOf({ ...parts, ...(bands && { bands: bands as [number, number, number] }) }),
    );
    expect(new Set(keys).size).toBe(3);
  });

  it('tells voters apart, and their order', () => {
    const [a, b] = ['a', 'b'].map((name) => [`image ${name}`, `mask ${name}`]);
    const keys = [undefined, [a], [b], [a, b], [b, a]].map((more) =>
      runKeyOf({ ...parts, ...(more && { others: more }) }),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });
});
