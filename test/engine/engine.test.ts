/** The real engine process on the embedded models: what it answers, refuses, remembers and survives. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromRuns, toRuns } from '../../src/core/mask';
import { dice } from '../../src/core/maskMetrics';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { EngineClient } from '../../src/engine/client';
import { ModelStore } from '../../src/engine/modelStore';
import { binaryMaskOf, decodeMaskPng } from '../../src/formats/maskPng';
import type { EngineConfig, SegmentRequest } from '../../src/protocol';

const repository = path.resolve(import.meta.dirname, '..', '..');
const samples = path.join(repository, 'models', 'samples', 'nuclei');
const sampleImage = (n: number) => path.join(samples, 'images', `nuclei_0${n}.png`);

async function sampleMask(n: number) {
  const file = path.join(samples, 'masks', `nuclei_0${n}.png`);
  return binaryMaskOf(decodeMaskPng(await readFile(file), file), 1, file);
}

let home: string;
let engine: EngineClient;
let request: SegmentRequest;
const clients: EngineClient[] = [];

function start(config: Partial<EngineConfig> = {}): EngineClient {
  const client = new EngineClient({
    entry: path.join(repository, 'dist', 'engine.js'),
    config: {
      modelsDir: path.join(repository, 'models'),
      homeDir: home,
      encoder: 'embedded',
      segmenter: 'embedded',
      threads: 1,
      cacheBytes: 2 ** 30,
      pixelLimit: 10 ** 8,
      ...config,
    },
  });
  clients.push(client);
  return client;
}

beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-engine-'));
  engine = start();
  request = {
    image: sampleImage(2),
    reference: { image: sampleImage(1), mask: toRuns(await sampleMask(1)) },
    strategy: 'ap-medsam',
    parameters: DEFAULT_PARAMETERS,
  };
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.dispose()));
  await rm(home, { recursive: true, force: true });
});

const cacheEntries = async () => (await readdir(path.join(home, 'cache')).catch(() => [])).length;

describe('segmenting', () => {
  it.each(['ap-medsam', 'gbmseg'] as const)('labels a sample from another with %s', async (strategy) => {
    const result = await engine.segment({ ...request, strategy });
    const truth = await sampleMask(2);
    expect(result.size).toEqual(truth.size);
    expect(result.outcome).toBe('mask');
    expect(result.mask.runs.reduce((sum, run) => sum + run, 0)).toBe(truth.data.length);
    expect(dice(fromRuns(result.mask), truth)).toBeGreaterThan(strategy === 'ap-medsam' ? 0.75 : 0.4);
    expect(result.prompts.every(({ reason }) => reason === 'kept')).toBe(true);
    expect(result.prompts.some(({ label }) => label === 1)).toBe(true);
    expect(Object.keys(result.times)).toEqual(expect.arrayContaining(['read', 'encode', 'match', 'decode', 'total']));
  });

  it('tells of rejected candidates on request', async () => {
    const { prompts } = await engine.segment({ ...request, withRejected: true });
    expect(new Set(prompts.map(({ reason }) => reason)).size).toBeGreaterThan(1);
  });

  it('gives the same again, from memory and from another process that finds the reference on disk', async () => {
    const first = await engine.segment(request);
    // The reference's encoding, and what was learnt from it.
    expect(await cacheEntries()).toBe(2);
    const other = start();
    for (const again of [await engine.segment(request), await other.segment(request)]) {
      expect(again.mask).toEqual(first.mask);
      expect(again.prompts).toEqual(first.prompts);
      expect(again.iouPrediction).toBe(first.iouPrediction);
    }
    expect(await cacheEntries()).toBe(2);
  });

  it('keeps an embedding on request and then does without encoding', async () => {
    const asked = { ...request, image: sampleImage(3) };
    const first = await engine.segment({ ...asked, cacheBelow: Number.POSITIVE_INFINITY });
    expect(first.times.encode).toBeGreaterThan(0);
    const again = await engine.segment(asked);
    expect(again.times.encode).toBeUndefined();
    expect(again.mask).toEqual(first.mask);
  });

  it('says what a reference holds', async () => {
    const info = await engine.prepareReference(request);
    expect(info.size).toEqual(request.reference.mask.size);
    expect(info.foregroundPatches).toBeGreaterThan(10);
    expect(info.backgroundPatches).toBeGreaterThan(100);
    expect(info.file.sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('many references', () => {
  it('at once do not take each other away', async () => {
    const full = await sampleMask(1);
    // Six references that differ in one pixel: more than an engine keeps in memory.
    const references = Array.from({ length: 6 }, (_, i) => {
      const data = full.data.slice();
      data[i] = 1;
      return { ...request.reference, mask: toRuns({ size: full.size, data }) };
    });
    const parameters = { ablation: { ...DEFAULT_PARAMETERS.ablation, prior: false } };
    const results = await Promise.all(
      references.map((reference) => engine.segment({ ...request, reference, parameters })),
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(Array(6).fill('mask'));
  });
});

describe('refusing', () => {
  it.each<[string, (good: SegmentRequest) => SegmentRequest, RegExp]>([
    ['a missing target', (good) => ({ ...good, image: '/nowhere/a.png' }), /\/nowhere\/a\.png/],
    [
      'a support mask of another size',
      (good) => ({
        ...good,
        reference: { ...good.reference, mask: { size: { width: 2, height: 2 }, runs: Uint32Array.of(1, 3) } },
      }),
      /support mask is 2 x 2 pixels, but its reference image .*nuclei_01\.png is \d+ x \d+/,
    ],
    [
      'an empty support mask',
      (good) => {
        const { size } = good.reference.mask;
        const runs = Uint32Array.of(size.width * size.height);
        return { ...good, reference: { ...good.reference, mask: { size, runs } } };
      },
      /no foreground/,
    ],
    [
      'a reference that has changed',
      (good) => ({ ...good, reference: { ...good.reference, imageHash: '0'.repeat(64) } }),
      /nuclei_01\.png has changed since its mask was set/,
    ],
  ])('%s, in one sentence', async (_, spoil, message) => {
    await expect(engine.segment(spoil(request))).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(message),
    });
    // The next request is none the worse for it.
    expect((await engine.segment(request)).outcome).toBe('mask');
  });

  it('a model that is unknown, truncated, or of the wrong kind', async () => {
    await expect(start({ encoder: 'nothing' }).info()).rejects.toThrow('no encoder called "nothing"; known: embedded');

    const models = path.join(home, 'spoilt-models');
    await cp(path.join(repository, 'models'), models, {
      recursive: true,
      filter: (source) => !source.includes('samples'),
    });
    await truncate(path.join(models, 'embedded-encoder.onnx'), 1000);
    await expect(start({ modelsDir: models }).info()).rejects.toThrow(/embedded-encoder\.onnx.*1,?858,?554.*1,?000/);

    const importedHome = path.join(home, 'imported');
    await new ModelStore(path.join(repository, 'models'), importedHome).importModel({
      paths: [path.join(repository, 'models', 'embedded-decoder.onnx')],
      id: 'wrong',
      kind: 'encoder',
      family: 'embedded',
    });
    await expect(start({ homeDir: importedHome, encoder: 'wrong' }).info()).rejects.toThrow(
      /output patch_tokens \(float32 of rank 3\) is missing.*the model's outputs are masks, iou_predictions/,
    );
  });
});

describe('surviving', () => {
  it('stops between stages when a call is cancelled, and answers the next one', async () => {
    const controller = new AbortController();
    const cancelled = engine.segment({ ...request, image: sampleImage(4) }, { signal: controller.signal });
    controller.abort(new Error('never mind'));
    await expect(cancelled).rejects.toThrow('never mind');
    expect((await engine.segment(request)).outcome).toBe('mask');
  });

  it('comes back after kill -9 and finishes the call', async () => {
    const client = start();
    const { pid } = await client.info();
    const pending = client.segment(request);
    process.kill(pid, 'SIGKILL');
    expect((await pending).outcome).toBe('mask');
    expect((await client.info()).pid).not.toBe(pid);
  });

  it.runIf(process.platform === 'linux')("leaves no trace of the runtime's telemetry", async () => {
    const outside = path.join(home, 'telemetry');
    const traces = await withTemporaryHome(outside, async () => {
      await start({ homeDir: path.join(outside, 'own') }).segment(request);
    });
    expect(traces.filter((file) => !file.startsWith('own'))).toEqual([]);
  });

  it.runIf(process.platform === 'linux')('would notice such a trace', async () => {
    // The same runtime with telemetry left on: the test above is worth something only while this one finds files.
    const model = JSON.stringify(path.join(repository, 'models', 'embedded-encoder.onnx'));
    const program = `require('onnxruntime-node').InferenceSession.create(${model})`;
    const traces = await withTemporaryHome(path.join(home, 'telemetry-on'), async () => {
      const env = { ...process.env, ORT_DISABLE_TELEMETRY: '' };
      await promisify(execFile)(process.execPath, ['-e', program], { cwd: repository, env });
    });
    expect(traces.length).toBeGreaterThan(0);
  });
});

/**
 * Files below `folder` after `work` has run with the home and temporary folders of new processes set to it, and without
 * the rest of the environment: the runtime keeps its telemetry to itself where a variable says CI.
 */
async function withTemporaryHome(folder: string, work: () => Promise<void>): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const before = process.env;
  process.env = { PATH: before.PATH, HOME: folder, TMPDIR: folder };
  try {
    await work();
  } finally {
    process.env = before;
  }
  return (await readdir(folder, { recursive: true })).map(String);
}
