/** Choosing what to label next, against plain counting over all subsets of one. */
import { describe, expect, it } from 'vitest';
import { area } from '../../src/core/geometry';
import {
  atypicality,
  type Candidate,
  describeImage,
  imageDistance,
  rankCandidates,
} from '../../src/core/tokens/labelNext';
import { discs, tokensFromMask } from '../fakes';
import { seededRandom } from '../seeded';

const unit = (...values: number[]): Float32Array => {
  const length = Math.hypot(...values);
  return Float32Array.from(values, (value) => value / length);
};

/** `count` descriptors around a direction. */
function cloud(random: () => number, count: number, ...direction: number[]): Float32Array[] {
  return Array.from({ length: count }, () => unit(...direction.map((value) => value + 0.2 * (random() - 0.5))));
}

const needy = (descriptor: Float32Array, need = 1): Candidate => ({ descriptor, need });

describe('describeImage', () => {
  const grid = { width: 6, height: 5 };
  const tokens = tokensFromMask(discs({ width: 60, height: 50 }, { x: 20, y: 20, radius: 12 }), grid);

  it('is the mean token at length 1, whatever the length of the tokens', () => {
    const { data, dim } = tokens;
    const mean = Array.from({ length: dim }, (_, k) => {
      let sum = 0;
      for (let patch = 0; patch < area(grid); patch++) sum += data[patch * dim + k];
      return sum;
    });
    const expected = unit(...mean);
    const described = describeImage(tokens);
    for (const [k, value] of described.entries()) expect(value).toBeCloseTo(expected[k], 5);
    const scaled = {
      ...tokens,
      data: data.map((value, at) => value * (1 + (Math.floor(at / dim) % 3))),
      normalised: false,
    };
    for (const [k, value] of describeImage(scaled).entries()) expect(value).toBeCloseTo(expected[k], 5);
  });

  it('of nothing but zeros is zeros', () => {
    expect([...describeImage({ ...tokens, data: new Float32Array(tokens.data.length), normalised: false })]).toEqual(
      Array(tokens.dim).fill(0),
    );
  });
});

describe('imageDistance', () => {
  it('is 1 - cosine, and never negative', () => {
    expect(imageDistance(unit(1, 0), unit(1, 1))).toBeCloseTo(1 - Math.SQRT1_2, 6);
    expect(imageDistance(unit(3, 4), unit(3, 4))).toBeGreaterThanOrEqual(0);
    expect(() => imageDistance(unit(1, 0), unit(1, 0, 0))).toThrow(RangeError);
  });
});

describe('rankCandidates', () => {
  const random = seededRandom(11);
  const large = cloud(random, 12, 1, 0, 0);
  const small = cloud(random, 5, 0, 1, 0);
  const junk = unit(0, 0, -1);
  const all = [...large, ...small, junk];

  it('chooses what takes away most, as counting over all candidates says', () => {
    const candidates = all.map((descriptor, i) => needy(descriptor, ((7 * i) % 10) / 10));
    const references = [unit(1, 1, 1)];
    const covered = [...references];
    for (const choice of rankCandidates(candidates, references, 4)) {
      const left = (extra: Float32Array[]) =>
        candidates.reduce(
          (sum, { descriptor, need }) =>
            sum + need * Math.min(...[...covered, ...extra].map((one) => imageDistance(descriptor, one))),
          0,
        );
      const gains = all.map((descriptor) => left([]) - left([descriptor]));
      expect(gains[choice.index]).toBeCloseTo(Math.max(...gains), 6);
      const nearest = (descriptor: Float32Array) => Math.min(...covered.map((one) => imageDistance(descriptor, one)));
      const group = all.flatMap((descriptor, i) =>
        i === choice.index || imageDistance(descriptor, all[choice.index]) < 0.9 * nearest(descriptor) ? [i] : [],
      );
      expect(choice.group).toEqual(group);
      covered.push(all[choice.index]);
    }
  });

  it('serves the largest group first and the odd one out last, and stops where nothing is gained', () => {
    const choices = rankCandidates(
      all.map((descriptor) => needy(descriptor)),
      [],
      3,
    );
    expect(choices.map(({ index }) => (index < 12 ? 'large' : index < 17 ? 'small' : 'junk'))).toEqual([
      'large',
      'small',
      'junk',
    ]);
    expect(choices[0].gain).toBeGreaterThan(choices[1].gain);
    const everything = rankCandidates(
      all.map((descriptor) => needy(descriptor)),
      [],
      100,
    );
    expect(everything).toHaveLength(all.length);
    expect(everything.reduce((sum, { gain }) => sum + gain, 0)).toBeCloseTo(1, 5);
    expect(rankCandidates([], [], 3)).toEqual([]);
  });

  it('passes by what a reference covers, and what needs nothing', () => {
    const covered = rankCandidates(
      all.map((descriptor) => needy(descriptor)),
      [large[3]],
      1,
    );
    expect(covered[0].index).toBeGreaterThanOrEqual(12);
    const satisfied = all.map((descriptor, i) => needy(descriptor, i < 12 ? 0 : 1));
    expect(rankCandidates(satisfied, [], 1)[0].index).toBeGreaterThanOrEqual(12);
    expect(rankCandidates(satisfied.slice(0, 12), [], 3)).toEqual([]);
  });

  it('chooses the one image there is', () => {
    expect(rankCandidates([needy(junk)], [], 2)).toEqual([{ index: 0, group: [0], gain: 1 }]);
  });
});

describe('atypicality', () => {
  it('is the share of images that are more like the others, by plain counting', () => {
    const random = seededRandom(5);
    const images = [...cloud(random, 9, 1, 0, 0), unit(0, 1, 0)];
    const meanDistance = (of: Float32Array, others: readonly Float32Array[]) =>
      others.reduce((sum, other) => sum + 1 - of.reduce((dot, value, k) => dot + value * other[k], 0), 0) /
      others.length;
    for (const reference of [unit(1, 0, 0), unit(1, 0.5, 0), unit(0, 1, 0), unit(-1, 0, 0)]) {
      const own = meanDistance(reference, images);
      const expected =
        images.filter(
          (image) =>
            meanDistance(
              image,
              images.filter((other) => other !== image),
            ) < own,
        ).length / 10;
      expect(atypicality(reference, images)).toBe(expected);
    }
    expect(atypicality(unit(-1, 0, 0), images)).toBe(1);
    expect(atypicality(unit(1, 0, 0), [])).toBe(0);
  });
});
