/**
 * How a device is compared with the CPU, and what a probe process measures for real where the device is the CPU itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeDevices } from '../../src/devices/deviceProber';
import {
  compare,
  DeviceProbe,
  type Outputs,
  relativeDifference,
  syntheticPixels,
} from '../../src/engine/models/deviceMeasure';
import { models, repository } from '../cli/runCli';

const outputs = (tokens: number[], logits: number[]): Outputs => ({
  tokens: Float32Array.from(tokens),
  logits: Float32Array.from(logits),
});

describe('the difference of a device from the CPU', () => {
  it('is relative to the largest magnitude, the larger one of tokens and logits', () => {
    expect(relativeDifference(outputs([1, -2], [10, 0]), outputs([1, -2], [10, 0]))).toBe(0);
    expect(relativeDifference(outputs([1, -2], [10, 0]), outputs([1.5, -2], [10, 0]))).toBeCloseTo(0.25, 6);
    expect(relativeDifference(outputs([1, -2], [10, 0]), outputs([1, -2], [10, 5]))).toBeCloseTo(0.5, 6);
    expect(relativeDifference(outputs([0, 0], [1]), outputs([0, 0], [1]))).toBe(0);
    expect(relativeDifference(outputs([0, 0], [1]), outputs([0, 1], [1]))).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('is infinite where one side says %d', (odd) => {
    const good = outputs([1, 2], [3]);
    for (const bad of [outputs([1, odd], [3]), outputs([1, 2], [odd])]) {
      expect(relativeDifference(good, bad)).toBe(Number.POSITIVE_INFINITY);
      expect(relativeDifference(bad, good)).toBe(Number.POSITIVE_INFINITY);
    }
    expect(relativeDifference(good, outputs([1], [3]))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a comparison', () => {
  /** Runs that take the given milliseconds of a clock of their own. */
  function clocked(device: number[], cpu: number[]) {
    let time = 0;
    let runs = 0;
    const run = (script: number[]) => async () => {
      time += script.length > 1 ? script.shift()! : script[0]!;
      runs++;
      return outputs([1], [1]);
    };
    return { measured: compare(run(device), run(cpu), () => time), runs: () => runs };
  }

  it('takes medians of warm runs in turns: the first runs, with their compilers, do not count', async () => {
    const { measured, runs } = clocked([9000, 20, 22, 21, 400, 19], [500, 100, 101, 900, 99, 100]);
    expect(await measured).toEqual({ difference: 0, milliseconds: 21, cpuMilliseconds: 100 });
    expect(runs()).toBe(12);
  });

  it('gives up a hopeless device after one warm run', async () => {
    const { measured, runs } = clocked([26_000, 25_000], [100]);
    expect(await measured).toEqual({ difference: 0, milliseconds: 25_000, cpuMilliseconds: 100 });
    expect(runs()).toBe(4);
  });

  it('is content with fewer runs of a large model', async () => {
    const { measured, runs } = clocked([4000, 3000], [5000]);
    expect(await measured).toEqual({ difference: 0, milliseconds: 3000, cpuMilliseconds: 5000 });
    expect(runs()).toBe(6);
  });
});

describe('the synthetic image', () => {
  it('is the same every time, and neither flat nor clipped', () => {
    const pixels = syntheticPixels({ width: 64, height: 48 });
    expect(pixels).toHaveLength(64 * 48 * 3);
    expect(pixels).toEqual(syntheticPixels({ width: 64, height: 48 }));
    expect(new Set(pixels).size).toBeGreaterThan(60);
    expect(Math.max(...pixels)).toBeLessThan(255);
  });
});

describe('a probe process', () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'ap-medsam-measure-'));
  });
  afterAll(() => rm(home, { recursive: true }));

  it('finds that the CPU agrees with itself', async () => {
    const config = { modelsDir: models, homeDir: home, encoder: 'embedded', segmenter: 'embedded', threads: 1 };
    const { difference, milliseconds, cpuMilliseconds } = await new DeviceProbe({ ...config, probe: 'cpu' }).measure();
    expect(difference).toBe(0);
    expect(milliseconds).toBeGreaterThan(0);
    expect(cpuMilliseconds).toBeGreaterThan(0);
  });

  it.runIf(process.platform === 'linux')('survives, and tells of, providers that are not there', async () => {
    const { best, trials } = await probeDevices({
      entry: join(repository, 'dist', 'engine.js'),
      target: { modelsDir: models, homeDir: home, encoder: 'embedded', segmenter: 'embedded' },
      devices: ['directml', 'coreml'],
      lack: () => undefined,
    });
    expect(best).toBe('cpu');
    for (const { failure } of trials) {
      expect(failure).toMatch(/^ONNX Runtime has no (DirectML|Core ML) provider on linux-\w+$/);
    }
  });
});
