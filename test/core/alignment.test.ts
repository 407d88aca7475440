/** The reference laid over the target: known moves found again among wrong matches, and what is added where. */
import { describe, expect, it } from 'vitest';
import { moveToFrame, type Point, type Size } from '../../src/core/geometry';
import type { FloatMap } from '../../src/core/pixels/raster';
import { alignReference, missingScores, withMissing } from '../../src/core/strategies/apMedSam/alignment';
import { patchCentre } from '../../src/core/tokens/patchGrid';
import { seededRandom } from '../seeded';

const grid = { width: 48, height: 40 };
const targetGrid = { width: 64, height: 48 };
const unit: Size = { width: 1, height: 1 };
/** Every eleventh patch of the reference: half of them object, half of them background. */
const proposing = Array.from({ length: 128 }, (_, k) => k * 11 + 7);
const proposers = {
  foreground: Int32Array.from(proposing.filter((patch) => patch % 48 < 24)),
  background: Int32Array.from(proposing.filter((patch) => patch % 48 >= 24)),
};

/** A table in which each proposer has found where `move` takes it, or, `wrong` of the time, a patch at random. */
function tableOf(move: (from: Point) => Point, wrong = 0, offset = 0) {
  const random = seededRandom(3);
  const nearestTarget = new Int32Array(offset + grid.width * grid.height).fill(-1);
  for (const patch of proposing) {
    const to = random() < wrong ? { x: random(), y: random() } : move(patchCentre(patch, grid, unit));
    nearestTarget[offset + patch] = patchAt(to);
  }
  return { nearestTarget, targetGrid };
}

/** The patch of the target that holds a point, or the nearest one. */
function patchAt(point: Point): number {
  const { x, y } = moveToFrame(point, unit, targetGrid);
  const within = (at: number, count: number) => Math.min(count - 1, Math.max(0, Math.floor(at)));
  return within(y, targetGrid.height) * targetGrid.width + within(x, targetGrid.width);
}

const moved = ({ x, y }: Point): Point => ({ x: 0.5 + 0.08 + 0.8 * (x - 0.5), y: 0.5 - 0.04 + 0.9 * (y - 0.5) });
const place = { grid, offset: 0, proposers };

describe('a reference is laid over the target', () => {
  it.each([0, 0.4])('by shift and stretch along each axis, with %f of the matches wrong', (wrong) => {
    const { x, y, trust } = alignReference(tableOf(moved, wrong), place);
    expect(x.shift).toBeCloseTo(0.08, 1.5);
    expect(x.stretch).toBeCloseTo(-0.2, 1);
    expect(y.shift).toBeCloseTo(-0.04, 1.5);
    expect(y.stretch).toBeCloseTo(-0.1, 1);
    expect(trust).toBe(1);
  });

  it('and believed the less the fewer matches agree, not at all where they are scattered', () => {
    const trusts = [0.4, 0.7, 1].map((wrong) => alignReference(tableOf(moved, wrong), place).trust);
    expect(trusts[1]).toBeGreaterThan(0);
    expect(trusts[1]).toBeLessThan(trusts[0]);
    expect(trusts[2]).toBe(0);
  });

  it('and not believed where only the object agrees, or nothing speaks for the background', () => {
    const half = tableOf(moved, 1);
    for (const patch of proposers.foreground) half.nearestTarget[patch] = tableOf(moved).nearestTarget[patch];
    expect(alignReference(half, place).trust).toBeLessThan(0.5);
    const alone = { ...place, proposers: { ...proposers, background: new Int32Array(0) } };
    expect(alignReference(tableOf(moved), alone).trust).toBe(0);
    const nothing = { foreground: new Int32Array(0), background: new Int32Array(0) };
    expect(alignReference(tableOf(moved), { ...place, proposers: nothing })).toEqual({
      x: { shift: 0, stretch: 0 },
      y: { shift: 0, stretch: 0 },
      trust: 0,
    });
  });

  it('counted among the patches of the references before it', () => {
    const offset = 1000;
    const later = {
      foreground: proposers.foreground.map((patch) => patch + offset),
      background: proposers.background.map((patch) => patch + offset),
    };
    const found = alignReference(tableOf(moved, 0.2, offset), { grid, offset, proposers: later });
    expect(found).toEqual(alignReference(tableOf(moved, 0.2), place));
  });
});

describe('what the scores of a reference lack of its mask', () => {
  const size = { width: 24, height: 24 };
  const disc = Float32Array.from({ length: 576 }, (_, at) =>
    Math.hypot((at % 24) - 11.5, Math.floor(at / 24) - 11.5) < 7 ? 1 : 0,
  );

  it('is nothing where they are as sure as they can be, and right', () => {
    const scores = { size, data: disc.map((share) => (share > 0 ? 5 : -4)) };
    for (const value of missingScores(scores, disc).data) expect(value).toBeCloseTo(0, 6);
  });

  it('is what they miss and what they draw too much, each near its place', () => {
    const scores = { size, data: disc.map((share, at) => (share > 0 && at % 24 < 12 ? 3 : -3)) };
    scores.data[2 * 24 + 2] = 3;
    const { data } = missingScores(scores, disc);
    expect(data[12 * 24 + 15]).toBeGreaterThan(4);
    expect(Math.abs(data[12 * 24 + 8])).toBeLessThan(0.1);
    expect(data[2 * 24 + 2]).toBeLessThan(-0.5);
  });

  it('is blurred without losing any of it, away from the border', () => {
    const scores = { size, data: disc.map((share) => (share > 0 ? 3 : -3)) };
    scores.data[12 * 24 + 12] = 1;
    const { data } = missingScores(scores, disc);
    expect(data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(2, 4);
    expect(data[12 * 24 + 12]).toBeLessThan(1);
    expect(data[12 * 24 + 13]).toBeCloseTo(data[13 * 24 + 12], 6);
  });
});

describe('what is missing is added', () => {
  const ramp = (size: Size): FloatMap => ({
    size,
    data: Float32Array.from({ length: size.width * size.height }, (_, at) => {
      const { x, y } = patchCentre(at, size, unit);
      return x + 2 * y;
    }),
  });
  const still = { shift: 0, stretch: 0 };
  const zero: FloatMap = { size: targetGrid, data: new Float32Array(64 * 48) };

  it('where it lies in the target, the border going on beyond it, as far as the alignment is believed', () => {
    const alignment = { x: { shift: 0.08, stretch: -0.2 }, y: { shift: -0.1, stretch: 0.1 }, trust: 0.5 };
    const { data } = withMissing(zero, [{ ...place, missing: ramp(grid) }], [alignment]);
    const inside = (value: number, length: number) => Math.min(1 - 0.5 / length, Math.max(0.5 / length, value));
    data.forEach((value, patch) => {
      const { x, y } = patchCentre(patch, targetGrid, unit);
      const from = { x: (x - 0.58) / 0.8 + 0.5, y: (y - 0.4) / 1.1 + 0.5 };
      expect(value).toBeCloseTo(0.5 * (inside(from.x, grid.width) + 2 * inside(from.y, grid.height)), 5);
    });
    expect(zero.data.every((value) => value === 0)).toBe(true);
  });

  it('as it is between grids of one size that lie as they are, also of a single row', () => {
    for (const size of [grid, { width: 9, height: 1 }, { width: 1, height: 1 }]) {
      const own = { ...ramp(size), data: ramp(size).data.map((value, at) => value + (at % 3)) };
      const nothing = { size, data: new Float32Array(size.width * size.height) };
      const found = withMissing(nothing, [{ ...place, missing: own }], [{ x: still, y: still, trust: 1 }]);
      for (const [at, value] of found.data.entries()) expect(value).toBeCloseTo(own.data[at], 5);
    }
  });

  it('in the mean over the references, one that is not believed counting as nothing', () => {
    const places = [1, 2].map(() => ({ ...place, missing: ramp(grid) }));
    const one = withMissing(zero, [places[0]], [{ x: still, y: still, trust: 1 }]);
    const two = withMissing(
      zero,
      places,
      [1, 0].map((trust) => ({ x: still, y: still, trust })),
    );
    for (const [at, value] of two.data.entries()) expect(value).toBeCloseTo(one.data[at] / 2, 6);
    expect(withMissing(zero, [], []).data).toEqual(zero.data);
  });
});
