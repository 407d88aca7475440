/** Halves against a brute-force oracle: all 65536 of them, and the nearest of all for floats in between. */
import { describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../src/engine/runtime/float16';
import { seededRandom } from '../seeded';

const every = Uint16Array.from({ length: 65_536 }, (_, half) => half);

/** Value of a half, from the text of the standard: digits of its fraction as a binary number. */
function standardValue(half: number): number {
  const text = half.toString(2).padStart(16, '0');
  const sign = text[0] === '1' ? -1 : 1;
  const exponent = Number.parseInt(text.slice(1, 6), 2);
  const fraction = [...text.slice(6)].reduce((sum, digit, i) => sum + Number(digit) / 2 ** (i + 1), 0);
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * 2 ** -14 * fraction : sign * 2 ** (exponent - 15) * (1 + fraction);
}

/** Non-negative finite halves, whose values grow with their bits. */
const ladder = Array.from({ length: 0x7c00 }, (_, half) => standardValue(half));

/** The nearest half by looking at all, ties to the even one; beyond the largest, half a step further is infinity. */
function nearest(float: number): number {
  const sign = Object.is(Math.sign(float), -0) || float < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(float);
  if (magnitude >= 65_520) return sign | 0x7c00;
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let half = 0; half < ladder.length; half++) {
    const distance = Math.abs(ladder[half] - magnitude);
    if (distance < least || (distance === least && half % 2 === 0)) {
      best = half;
      least = distance;
    }
  }
  return sign | best;
}

describe('halves', () => {
  it('have the values of the standard, all of them', () => {
    const floats = fromFloat16(every);
    expect(floats.length).toBe(65_536);
    const wrong = [...every].filter((half) => !Object.is(floats[half], Math.fround(standardValue(half))));
    expect(wrong).toEqual([]);
  });

  it('survive the way there and back, but for the bits of NaN', () => {
    const back = toFloat16(fromFloat16(every));
    const changed = [...every].filter((half) => back[half] !== half);
    expect(changed.every((half) => Number.isNaN(standardValue(half)))).toBe(true);
    expect(changed.every((half) => Number.isNaN(standardValue(back[half])))).toBe(true);
  });

  it('are the nearest to floats in between, with ties to even', () => {
    const random = seededRandom(5);
    const floats = Float32Array.from({ length: 300 }, () => (random() - 0.5) * 2 ** (Math.floor(random() * 44) - 27));
    expect(Array.from(toFloat16(floats))).toEqual(Array.from(floats, nearest));
  });

  it('are the nearest at every kind of border', () => {
    const floats = Float32Array.of(
      ...[0, -0, 1, -1, 65_504, 65_519.99, 65_520, -65_520, 1e30, -1e30, 2 ** -14, 2 ** -24, 2 ** -25],
      ...[
        2 ** -25 * 1.0001,
        2 ** -26,
        -(2 ** -24) * 1.5,
        2 ** -24 * 2.5,
        1 + 2 ** -11,
        1 + 3 * 2 ** -11,
        2047.5,
        1e-45,
      ],
      ...[2 ** -14 - 2 ** -25, 2 ** -14 - 2 ** -24],
    );
    expect(Array.from(toFloat16(floats))).toEqual(Array.from(floats, nearest));
    const special = toFloat16(Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN));
    expect(Array.from(special)).toEqual([0x7c00, 0xfc00, 0x7e00]);
  });

  it('are what Node itself makes of them, where it can', () => {
    const Native = (globalThis as { Float16Array?: new (values: Float32Array) => { buffer: ArrayBuffer } })
      .Float16Array;
    if (!Native) return;
    const random = seededRandom(6);
    const floats = Float32Array.from(
      { length: 100_000 },
      () => (random() - 0.5) * 2 ** (Math.floor(random() * 44) - 27),
    );
    expect(toFloat16(floats)).toEqual(new Uint16Array(new Native(floats).buffer));
  });
});
