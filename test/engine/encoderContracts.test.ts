/** DINOv2 and DINOv3 on graphs of their true contract (see contractModels.ts), against plain loops over the image. */
import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import type { PatchTokens } from '../../src/core/tokens/patchGrid';

import { DinoEncoder } from '../../src/engine/encoders';
import { temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';
import { seededRandom } from '../seeded';
import {
  CONTRACT_ENCODERS,
  type ContractModel,
  dinoGraph,
  POSITION_STEP,
  resolveContractModel,
} from './contractModels';

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

const open = async (model: ContractModel): Promise<DinoEncoder> => {
  const resolved = await resolveContractModel(await temporaryFolder(), model);
  return await (model.family === 'dinov3' ? DinoEncoder.openV3 : DinoEncoder.openV2)(resolved, 1);
};

const random = seededRandom(8);
const randomPixels = (size: Size) => Uint8Array.from({ length: area(size) * 3 }, () => Math.floor(random() * 256));

/** Mean of a channel of each patch, normalised, row-major. */
function patchMeans(pixels: Uint8Array, size: Size, patch: number, channel: number, mean = MEAN, std = STD): number[] {
  const columns = size.width / patch;
  return Array.from({ length: columns * (size.height / patch) }, (_, cell) => {
    let sum = 0;
    for (let k = 0; k < patch * patch; k++) {
      const x = (cell % columns) * patch + (k % patch);
      const y = Math.floor(cell / columns) * patch + Math.floor(k / patch);
      sum += (pixels[(y * size.width + x) * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
    }
    return sum / (patch * patch);
  });
}

const channelOf = ({ data, dim }: PatchTokens, channel: number): number[] =>
  Array.from({ length: data.length / dim }, (_, i) => data[i * dim + channel]!);

const worst = (a: readonly number[], b: readonly number[]): number => {
  expect(a).toHaveLength(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
};

const sides: Readonly<Record<string, readonly [side: number, dim: number]>> = {
  dinov2: [518, 8],
  'dinov2-registers': [518, 8],
  'dinov2-560': [560, 16],
  'dinov2-pre-norm': [518, 8],
  'dinov2-external-data': [518, 8],
};

describe.each(Object.keys(sides))('%s', (name) => {
  const [side, dim] = sides[name]!;

  it.each([
    ['a square of its side', undefined],
    ['a wide image', { width: 28 * 14, height: 9 * 14 }],
    ['a tall image', { width: 5 * 14, height: 11 * 14 }],
  ])('gives one token per patch, in the order of rows, of %s', async (_, asked) => {
    const encoder = await open(CONTRACT_ENCODERS[name]!);
    expect(encoder.inputSize()).toEqual({ width: side, height: side });
    const size = asked ?? encoder.inputSize();
    const pixels = randomPixels(size);
    const { tokens, modelSize, features, preNormTokens } = await encoder.encode(pixels, size);
    expect(modelSize).toEqual(size);
    expect(features).toEqual({});
    expect(tokens).toMatchObject({
      grid: { width: size.width / 14, height: size.height / 14 },
      dim,
      normalised: false,
    });
    expect(tokens.data).toHaveLength(area(tokens.grid) * dim);
    for (let channel = 0; channel < 3; channel++) {
      const expected = patchMeans(pixels, size, 14, channel);
      expect(worst(channelOf(tokens, channel), expected)).toBeLessThan(1e-4);
      if (preNormTokens) {
        const tenfold = expected.map((value) => value * 10);
        expect(worst(channelOf(preNormTokens, channel), tenfold)).toBeLessThan(1e-3);
      }
    }
    for (let channel = 3; channel < dim; channel++) expect(Math.max(...channelOf(tokens, channel))).toBe(0);
    expect(preNormTokens !== undefined).toBe(name === 'dinov2-pre-norm');
    await encoder.dispose();
  });
});

describe('what a manifest may change', () => {
  const plain = CONTRACT_ENCODERS.dinov2!;

  it('is the normalisation', async () => {
    const mean: [number, number, number] = [0.5, 0.4, 0.3];
    const std: [number, number, number] = [0.1, 0.2, 0.3];
    const encoder = await open({ ...plain, settings: { mean, std } });
    const size = { width: 28, height: 42 };
    const pixels = randomPixels(size);
    const { tokens } = await encoder.encode(pixels, size);
    for (let channel = 0; channel < 3; channel++) {
      expect(worst(channelOf(tokens, channel), patchMeans(pixels, size, 14, channel, mean, std))).toBeLessThan(1e-4);
    }
    await encoder.dispose();
  });

  it('is the patch and the number of registers', async () => {
    const graphs = { model: dinoGraph({ patch: 8, registers: 7, dim: 5 }) };
    const encoder = await open({ ...plain, graphs, settings: { patchSize: 8, registers: 7, inputSide: 64 } });
    const size = encoder.inputSize();
    expect(size).toEqual({ width: 64, height: 64 });
    const pixels = randomPixels(size);
    const { tokens } = await encoder.encode(pixels, size);
    expect(tokens.grid).toEqual({ width: 8, height: 8 });
    expect(worst(channelOf(tokens, 2), patchMeans(pixels, size, 8, 2))).toBeLessThan(1e-4);
    await encoder.dispose();
  });
});

describe('a model that is another', () => {
  const plain = CONTRACT_ENCODERS.dinov2!;
  const size = { width: 28, height: 28 };
  const encoding = async (model: ContractModel) => {
    const encoder = await open(model);
    return await refusal(encoder.encode(randomPixels(size), size)).finally(() => encoder.dispose());
  };

  it('is told by its tokens', async () => {
    const seven = { ...plain, graphs: { model: dinoGraph({ patch: 14, registers: 7, dim: 8 }) } };
    expect(await encoding(seven)).toBe(
      'The encoder "tiny" gives 12 tokens (last_hidden_state) for 28 x 28 pixels; expected 1 class token, 0 or 4 registers and 4 patches of 14 pixels.',
    );
    expect(await encoding({ ...plain, settings: { registers: 4 } })).toContain('gives 5 tokens');
    expect(await encoding({ ...seven, settings: { registers: 6 } })).toContain('expected 1 class token, 6 registers');
    // Of another patch size: fewer tokens than patches.
    const coarse = { ...plain, graphs: { model: dinoGraph({ patch: 28, registers: 0, dim: 8 }) } };
    expect(await encoding(coarse)).toContain('gives 2 tokens');
  });

  it('is told by its side and by its outputs', async () => {
    expect(await refusal(open({ ...plain, settings: { inputSide: 512 } }))).toBe(
      'The encoder "tiny" has input side 512 in its manifest; expected a multiple of 14.',
    );
    expect(await refusal(open({ ...plain, settings: { preNormTokens: 'before' } }))).toMatch(
      /^Encoder "tiny": .*output before \(float32 of rank 3\) is missing/,
    );
  });
});

describe('DINOv3', () => {
  const model = CONTRACT_ENCODERS.dinov3!;
  const size = { width: 20 * 16, height: 12 * 16 };
  /** Share of the tokens' variance that the channels of the column and the row have. */
  const positional = ({ data, dim }: PatchTokens) => {
    const spread = Array.from({ length: dim }, (_, channel) => {
      const values = channelOf({ data, dim } as PatchTokens, channel);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    });
    return (spread[3]! + spread[4]!) / spread.reduce((sum, value) => sum + value, 0);
  };

  it('has patches of 16 pixels and a side of 512', async () => {
    const encoder = await open({ ...model, settings: { positionalRank: 0 } });
    expect(encoder.inputSize()).toEqual({ width: 512, height: 512 });
    const pixels = randomPixels(size);
    const { tokens } = await encoder.encode(pixels, size);
    expect(tokens).toMatchObject({ grid: { width: 20, height: 12 }, dim: 16, normalised: false });
    expect(worst(channelOf(tokens, 1), patchMeans(pixels, size, 16, 1))).toBeLessThan(1e-4);
    // As the graph gives them, positions are in.
    expect(tokens.data[3]).toBeCloseTo(POSITION_STEP, 5);
    expect(tokens.data[16 * 21 + 4]).toBeCloseTo(2 * POSITION_STEP, 5);
    await encoder.dispose();
  });

  it('says what a patch shows, not where it is', async () => {
    // The blank image's tokens vary in three directions: by column, by row, and by what normalising makes of both.
    const raw = await open({ ...model, settings: { positionalRank: 0 } });
    const debiased = await open({ ...model, settings: { positionalRank: 3 } });
    // Coarse colours: patches must differ more by what they show than rounding does.
    const pixels = randomPixels(size).map((_, i) => {
      const cell = Math.floor(((Math.floor(i / 3) % size.width) / 16) * 3) + 7 * Math.floor(i / 3 / size.width / 16);
      return (cell * (37 + 11 * (i % 3))) % 256;
    });
    const before = (await raw.encode(pixels, size)).tokens;
    const after = (await debiased.encode(pixels, size)).tokens;
    expect(positional(before)).toBeGreaterThan(0.005);
    expect(positional(after)).toBeLessThan(positional(before) / 1000);
    // What is shown is still told apart.
    const colours = channelOf(after, 0);
    expect(Math.max(...colours) - Math.min(...colours)).toBeGreaterThan(0.3);
    await Promise.all([raw.dispose(), debiased.dispose()]);
  });

  it('gives the same for the same image, and runs a blank one once per size', async () => {
    const encoder = await open(model);
    const pixels = randomPixels(size);
    const first = await encoder.encode(pixels, size);
    const again = await encoder.encode(pixels, size);
    expect(again.tokens.data).toEqual(first.tokens.data);
    const other = { width: 32, height: 48 };
    expect((await encoder.encode(randomPixels(other), other)).tokens.grid).toEqual({ width: 2, height: 3 });
    await encoder.dispose();
  });
});
