import { describe, expect, it } from 'vitest';
import { type DeepPixels, Histogram, throughWindow } from '../../src/engine/pictures/intensity';
import type { IntensityWindow } from '../../src/protocol/engineApi';
import { seededRandom } from '../seeded';

const random = seededRandom(3);

/** Enough that they are looked up, and gone through in two bands. */
const MANY = (1 << 20) + 77;
const few = 1000;

const uint16 = (length: number) => Uint16Array.from({ length }, () => Math.floor(random() ** 3 * 65536));
const float = (length: number) => Float32Array.from({ length }, () => (random() - 0.3) * 1e4);

/** The rule, written out. */
function shown({ values, channels, offset }: DeepPixels, { low, high }: IntensityWindow): Uint8Array {
  const bytes: number[] = [];
  for (let pixel = 0; pixel < values.length; pixel += channels) {
    for (let channel = 0; channel < (channels < 3 ? 1 : 3); channel++) {
      const share = (values[pixel + channel] + offset - low) / (high - low);
      bytes.push(Math.min(255, Math.max(0, Number.isNaN(share) ? 0 : share * 255)));
    }
  }
  return Uint8ClampedArray.from(bytes) as unknown as Uint8Array;
}

describe('throughWindow', () => {
  it.each<[string, DeepPixels]>([
    ['few of 16 bits', { values: uint16(few), channels: 1, offset: 0 }],
    ['many of 16 bits', { values: uint16(MANY), channels: 1, offset: 0 }],
    ['many signed ones', { values: uint16(MANY), channels: 1, offset: -32768 }],
    ['many of 16 bits in three channels', { values: uint16(3 * 400_000), channels: 3, offset: 0 }],
    ['a second channel, which is not shown', { values: uint16(2 * 40_000), channels: 2, offset: 0 }],
    ['a fourth channel, which is not shown', { values: uint16(4 * few), channels: 4, offset: 0 }],
    ['floats', { values: float(MANY), channels: 1, offset: 0 }],
  ])('shows %s as the rule says', async (_, pixels) => {
    for (const window of [
      { low: 0, high: 65535 },
      { low: -12.5, high: 3000.25 },
    ]) {
      const found = await throughWindow(pixels, window);
      const expected = shown(pixels, window);
      expect(found).toHaveLength(expected.length);
      // The rule divides where the code multiplies: a tie may fall to the other side.
      let differences = 0;
      for (let i = 0; i < found.length; i++) {
        if (found[i] !== expected[i]) differences++;
        if (Math.abs(found[i] - expected[i]) > 1) throw new Error(`${found[i]} at ${i}, expected ${expected[i]}`);
      }
      expect(differences).toBeLessThan(found.length / 1000);
    }
  });

  it('gives the same to many values as to few', async () => {
    const values = uint16(MANY);
    const window = { low: 100.3, high: 2000.7 };
    const many = await throughWindow({ values, channels: 1, offset: 0 }, window);
    for (const start of [0, 500_000, MANY - few]) {
      const part = { values: values.subarray(start, start + few), channels: 1, offset: 0 };
      expect(many.subarray(start, start + few)).toEqual(await throughWindow(part, window));
    }
  });

  it('makes black of NaN, and an edge of an empty window', async () => {
    const values = Float32Array.of(Number.NaN, 4, 5, 6);
    const window = { low: 5, high: 5 };
    expect([...(await throughWindow({ values, channels: 1, offset: 0 }, window))]).toEqual([0, 0, 0, 255]);
  });
});

describe('Histogram', () => {
  const windowOf = async (...images: DeepPixels[]) => {
    const histogram = new Histogram();
    for (const image of images) await histogram.add(image);
    return histogram.window();
  };

  it.each([0, -32768])('counts many values as it counts few (offset %i)', async (offset) => {
    const values = uint16(MANY);
    const parts: DeepPixels[] = [];
    for (let start = 0; start < MANY; start += 60_000) {
      parts.push({ values: values.subarray(start, start + 60_000), channels: 1, offset });
    }
    expect(await windowOf({ values, channels: 1, offset })).toEqual(await windowOf(...parts));
  });

  it('finds the percentiles that sorting finds, within its bins', async () => {
    const values = float(200_001);
    const sorted = values.slice().sort();
    const { low, high } = await windowOf({ values, channels: 1, offset: 0 });
    for (const [found, rank] of [
      [low, 1000],
      [high, 199_000],
    ]) {
      expect(Math.abs(found - sorted[rank])).toBeLessThan(Math.abs(sorted[rank]) * 0.0005);
    }
  });

  it('knows no better than 0 to 255 where nothing was counted', async () => {
    expect(await windowOf()).toEqual({ low: 0, high: 255 });
    expect(await windowOf({ values: Float32Array.of(Number.NaN), channels: 1, offset: 0 })).toEqual({
      low: 0,
      high: 255,
    });
  });

  /** What is measured: 500 values from 0 to 4. */
  const measured = Array.from({ length: 500 }, (_, i) => (i % 100) / 25);
  const windowWith = (...more: number[]) =>
    windowOf({ values: Float32Array.from([...measured, ...more]), channels: 1, offset: 0 });
  const plain = windowWith();

  it.each([-999, -9999, -32768, -3.4028234663852886e38, 3.4028234663852886e38, 1e20, 12345, -777])(
    'leaves out %f, which many pixels share far from all others',
    async (none) => {
      const { low, high } = await windowWith(...Array(50).fill(none));
      expect(low).toBeCloseTo((await plain).low, 1);
      expect(high).toBeCloseTo((await plain).high, 1);
    },
  );

  it('leaves out one at either end', async () => {
    expect((await windowWith(...Array(40).fill(-9999), ...Array(40).fill(1e30))).high).toBeLessThan(4.01);
  });

  it('counts an unusual number that is not that far away, and what looks like numbers of a label', async () => {
    expect((await windowWith(...Array(50).fill(200))).high).toBeCloseTo(200, 0);
    const labels = Float32Array.from({ length: 900 }, (_, i) => (i % 3 === 0 ? 5000 : i % 3));
    expect((await windowOf({ values: labels, channels: 1, offset: 0 })).high).toBeCloseTo(5000, -1);
    // -9999 is usual, but not where numbers are of its size.
    const deep = Float32Array.from({ length: 1000 }, (_, i) => (i < 20 ? -9999 : -8000 + i * 10));
    expect((await windowOf({ values: deep, channels: 1, offset: 0 })).low).toBeCloseTo(-9999, -1);
  });
});
