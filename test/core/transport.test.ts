import { describe, expect, it } from 'vitest';
import { assign } from '../../src/core/strategies/matcher/assignment';
import { type TransportPlan, transport } from '../../src/core/strategies/matcher/transport';
import { seededRandom } from '../seeded';

/** Moves everything, nothing backwards, and no plan is cheaper because the duals say so. */
function expectOptimal(plan: TransportPlan, cost: ArrayLike<number>, sources: number, sinks: number): void {
  const sent = new Float64Array(sources);
  const got = new Float64Array(sinks);
  let total = 0;
  for (const { source, sink, amount } of plan.flows) {
    expect(amount).toBeGreaterThan(0);
    sent[source] += amount;
    got[sink] += amount;
    total += amount * cost[source * sinks + sink];
  }
  for (const amount of sent) expect(Math.abs(amount - 1 / sources)).toBeLessThan(1e-9);
  for (const amount of got) expect(Math.abs(amount - 1 / sinks)).toBeLessThan(1e-9);
  expect(plan.cost).toBeCloseTo(total, 9);
  let slack = Number.POSITIVE_INFINITY;
  let dual = 0;
  for (const value of plan.sourceDual) dual += value / sources;
  for (const value of plan.sinkDual) dual += value / sinks;
  for (let i = 0; i < sources; i++) {
    for (let j = 0; j < sinks; j++) {
      slack = Math.min(slack, cost[i * sinks + j] - plan.sourceDual[i] - plan.sinkDual[j]);
    }
  }
  expect(slack).toBeGreaterThan(-1e-9);
  expect(Math.abs(dual - plan.cost)).toBeLessThan(1e-8);
}

describe('transport', () => {
  const random = seededRandom(11);
  const values: readonly [string, () => number][] = [
    ['any costs', random],
    ['costs with many ties', () => Math.floor(random() * 3) / 2],
    ['equal costs', () => 0.5],
  ];
  const shapes = [
    [1, 1],
    [1, 5],
    [5, 1],
    [3, 4],
    [4, 6],
    [6, 6],
    [7, 13],
    [40, 33],
  ] as const;
  for (const [name, value] of values) {
    it.each(shapes)(`is proved by its duals, ${name}, %i x %i`, (sources, sinks) => {
      for (let trial = 0; trial < 10; trial++) {
        const cost = Float64Array.from({ length: sources * sinks }, value);
        expectOptimal(transport(cost, sources, sinks), cost, sources, sinks);
      }
    });
  }

  it('is the linear programme that splitting into equal parts and assigning them solves', () => {
    // 1/4 each to 1/6 each: twelve parts of 1/12, three of each source, two of each sink.
    for (let trial = 0; trial < 20; trial++) {
      const cost = Float64Array.from({ length: 24 }, random);
      const parts = new Float64Array(144);
      for (let i = 0; i < 12; i++) {
        for (let j = 0; j < 12; j++) parts[i * 12 + j] = cost[Math.floor(i / 3) * 6 + Math.floor(j / 2)];
      }
      expect(transport(cost, 4, 6).cost).toBeCloseTo(assign(parts, 12, 12).cost / 12, 9);
    }
  });

  it('is sorting where costs are distances on a line', () => {
    const [a, b] = [200, 300].map((count) => Float64Array.from({ length: count }, random).sort());
    const cost = Float64Array.from({ length: 60000 }, (_, at) => Math.abs(a[Math.floor(at / 300)] - b[at % 300]));
    let expected = 0;
    for (let part = 0; part < 600; part++)
      expected += Math.abs(a[Math.floor(part / 3)] - b[Math.floor(part / 2)]) / 600;
    const plan = transport(cost, 200, 300);
    expect(plan.cost).toBeCloseTo(expected, 9);
    expectOptimal(plan, cost, 200, 300);
  });

  it('gives 0 for a set moved onto itself', () => {
    const cost = Float64Array.from({ length: 400 }, (_, at) => (Math.floor(at / 20) === at % 20 ? 0 : 0.1 + random()));
    expect(transport(cost, 20, 20).cost).toBe(0);
  });

  it.each([
    [256, 300],
    [600, 700],
    [1369, 1000],
  ])('solves what token grids ask, %i x %i', (sources, sinks) => {
    const cost = Float32Array.from({ length: sources * sinks }, () => 0.1 + 0.3 * random());
    const started = performance.now();
    const plan = transport(cost, sources, sinks);
    console.log(`transport ${sources} x ${sinks}: ${(performance.now() - started).toFixed(0)} ms`);
    expectOptimal(plan, cost, sources, sinks);
  });

  it('refuses what does not fit', () => {
    expect(() => transport(new Float64Array(5), 2, 3)).toThrow('needs 6 costs');
    expect(() => transport(new Float64Array(0), 0, 3)).toThrow('at least one source');
  });
});
