/** The real engine process on the embedded models: what it answers, refuses, remembers and survives. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromLabelRuns } from '../../src/core/pixels/labelMap';
import { cropMask, foregroundArea, fromRuns, runArea, toRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import { type FloatMap, thresholdToRuns } from '../../src/core/pixels/raster';
import { presetNames, presets } from '../../src/core/strategies';
import { DEFAULT_PARAMETERS, NO_ABLATION } from '../../src/core/strategies/strategy';
import { EngineClient } from '../../src/engineClient/client';
import { decodeMaskPng } from '../../src/formats/maskPng';
import { importModel } from '../../src/models/modelImport';
import { ModelStore } from '../../src/models/modelStore';
import type { ClassQuestion, EngineConfig, SegmentRequest, SegmentResult } from '../../src/protocol/engineApi';
import { makeBmp } from '../formats/makeBmp';
import { binaryMaskOf } from '../masks';

const repository = path.resolve(import.meta.dirname, '..', '..');
const models = path.join(repository, 'models');
const samples = path.join(models, 'samples', 'nuclei');
const sampleImage = (n: number) => path.join(samples, 'images', `nuclei_${String(n).padStart(2, '0')}.png`);

async function sampleMask(n: number) {
  const file = path.join(samples, 'masks', `nuclei_0${n}.png`);
  return binaryMaskOf(decodeMaskPng(await readFile(file), file), 1);
}

let home: string;
let engine: EngineClient;
let request: SegmentRequest;
const clients: EngineClient[] = [];

function start(config: Partial<EngineConfig> = {}): EngineClient {
  const client = new EngineClient({
    entry: path.join(repository, 'dist', 'engine.js'),
    config: {
      modelsDir: models,
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

  it.each(presetNames)('labels a sample from another with preset %s, the same every time', async (name) => {
    const { strategy, parameters } = presets[name];
    const asked = { ...request, strategy, parameters: { ...DEFAULT_PARAMETERS, ...parameters } };
    const result = await engine.segment(asked);
    expect(result.outcome).toBe('mask');
    expect(dice(fromRuns(result.mask), await sampleMask(2))).toBeGreaterThan(0.5);
    const asksSegmenter = name !== 'regions';
    expect(result.iouPrediction !== undefined).toBe(asksSegmenter);
    expect('decode' in result.times).toBe(asksSegmenter);
    expect(result.notes.join()).toMatch(strategy === 'matcher' ? /masks from \d+ prompt sets/ : /regions joined/);
    const again = await start().segment(asked);
    expect(again.mask).toEqual(result.mask);
    expect(again.notes).toEqual(result.notes);
  });

  it('tells of rejected candidates on request', async () => {
    const { prompts } = await engine.segment({ ...request, withDetails: true });
    expect(new Set(prompts.map(({ reason }) => reason)).size).toBeGreaterThan(1);
  });

  it('gives the same again, from memory and from another process that finds the reference on disk', async () => {
    const first = await engine.segment(request);
    // The reference's encoding, its lesson, what came of it, and what its pixels teach.
    expect(await cacheEntries()).toBe(4);
    const other = start();
    for (const again of [await engine.segment(request), await other.segment(request)]) {
      expect(again.mask).toEqual(first.mask);
      expect(again.prompts).toEqual(first.prompts);
      expect(again.iouPrediction).toBe(first.iouPrediction);
    }
    expect(await cacheEntries()).toBe(4);
  });

  it('keeps an embedding on request and then does without encoding', async () => {
    const asked = { ...request, image: sampleImage(3) };
    const first = await engine.segment({ ...asked, cacheBelow: Number.POSITIVE_INFINITY });
    expect(first.times.encode).toBeGreaterThan(0);
    const again = await engine.segment(asked);
    expect(again.times.encode).toBeUndefined();
    expect(again.mask).toEqual(first.mask);
  });

  it('keeps on request too what nobody has judged, unless the least believed alone are asked for', async () => {
    // Cluster asks no segmenter and judges nothing.
    const asked = { ...request, strategy: 'cluster', image: sampleImage(10) } as const;
    const encodesAgain = async () => (await engine.segment(asked)).times.encode !== undefined;
    expect((await engine.segment({ ...asked, cacheBelow: 1 })).iouPrediction).toBeUndefined();
    expect(await encodesAgain()).toBe(true);
    await engine.segment({ ...asked, cacheBelow: Number.POSITIVE_INFINITY });
    expect(await encodesAgain()).toBe(false);
  });

  it('finds on a plain canvas what it finds without one, from disk as well', async () => {
    const { width, height } = (await engine.inspectImage({ image: sampleImage(2) })).size;
    const image = path.join(home, 'canvas.png');
    const border = { left: width / 2, right: width / 2, top: height / 4, bottom: (3 * height) / 4 };
    await sharp(sampleImage(2))
      .extend({ ...border, background: 'white' })
      .toFile(image);
    const truth = await sampleMask(2);
    const usual = dice(fromRuns((await engine.segment(request)).mask), truth);
    const box = { left: border.left, top: border.top, right: border.left + width, bottom: border.top + height };
    const masks = [];
    for (const cacheBelow of [Number.POSITIVE_INFINITY, 0]) {
      const result = await engine.segment({ ...request, image, cacheBelow });
      expect(result.size).toEqual({ width: 2 * width, height: 2 * height });
      expect(result.notes.join()).toContain('plain border');
      const mask = fromRuns(result.mask);
      expect(dice(cropMask(mask, box), truth)).toBeGreaterThan(usual - 0.05);
      expect(foregroundArea(mask)).toBe(foregroundArea(cropMask(mask, box)));
      masks.push(mask);
    }
    expect(masks[1]).toEqual(masks[0]);
  });

  it('says what a reference holds', async () => {
    const info = await engine.prepareReference(request);
    expect(info.size).toEqual(request.reference.mask.size);
    expect(info.foregroundPatches).toBeGreaterThan(10);
    expect(info.backgroundPatches).toBeGreaterThan(100);
    expect(info.file.sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('several classes', () => {
  /** The nuclei, and as a class of its own the ground between them, drawn over their rims: both want these. */
  async function questions(): Promise<ClassQuestion[]> {
    const nuclei = await sampleMask(1);
    const { width } = nuclei.size;
    const rim = [0, -3, 3, -3 * width, 3 * width];
    const ground = {
      size: nuclei.size,
      data: nuclei.data.map((_, at) => (rim.every((step) => nuclei.data[at + step] === 1) ? 0 : 1)),
    };
    return [nuclei, ground].map((mask, index) => ({
      classId: index + 1,
      reference: { image: sampleImage(1), mask: toRuns(mask) },
    }));
  }
  const shared = { strategy: 'ap-medsam', parameters: DEFAULT_PARAMETERS } as const;

  it('share one image, and no pixel has two', async () => {
    const classes = await questions();
    const image = sampleImage(5);
    const results = await engine.segmentClasses({ ...shared, classes, image });
    const alone: SegmentResult[] = [];
    for (const question of classes) alone.push(await engine.segment({ ...shared, ...question, image }));
    const [nuclei, ground] = results.map(({ mask }) => fromRuns(mask).data);
    const claims = alone.map(({ mask }) => fromRuns(mask).data);
    const contested = nuclei!.filter((_, at) => claims[0]![at] === 1 && claims[1]![at] === 1).length;
    expect(contested).toBeGreaterThan(0);
    nuclei!.forEach((value, at) => {
      if (value + ground![at]! !== Math.max(claims[0]![at]!, claims[1]![at]!)) throw new Error(`pixel ${at} is lost`);
    });
    expect(dice(fromRuns(results[0]!.mask), await sampleMask(5))).toBeGreaterThan(0.75);
    results.forEach((result, index) => {
      expect(result.trust).toBe(alone[index]!.trust);
      expect(result.prompts).toEqual(alone[index]!.prompts);
      expect(result.file).toEqual(alone[index]!.file);
    });
    const [first, second] = results.map(({ times }) => times);
    expect(first).toHaveProperty('encode');
    expect(first).toHaveProperty('read');
    expect(Object.keys(second!)).toEqual(expect.arrayContaining(['match', 'prior', 'decode', 'compete', 'total']));
    expect(second).not.toHaveProperty('encode');
    expect(second).not.toHaveProperty('read');
  });

  it('of one is the same as that one, with further references too', async () => {
    const [nuclei] = await questions();
    const moreReferences = [{ image: sampleImage(3), mask: toRuns(await sampleMask(3)) }];
    const question = { ...nuclei!, moreReferences };
    const [only] = await engine.segmentClasses({ ...shared, classes: [question], image: sampleImage(4) });
    const alone = await engine.segment({ ...shared, ...question, image: sampleImage(4) });
    expect({ ...only, times: 0 }).toEqual({ ...alone, times: 0 });
  });

  it('fail together where one of the references does', async () => {
    const [nuclei, ground] = await questions();
    const broken = { ...ground!, reference: { ...ground!.reference, imageHash: '0'.repeat(64) } };
    await expect(
      engine.segmentClasses({ ...shared, classes: [nuclei!, broken], image: sampleImage(2) }),
    ).rejects.toThrow(/has changed since its mask was set/);
  });
});

describe('views', () => {
  it('in parts label a sample as well, say so, and are the same every time', { timeout: 60_000 }, async () => {
    const inParts = { ...request, parameters: { ...DEFAULT_PARAMETERS, views: 2 } };
    const info = await engine.prepareReference(inParts);
    expect(info.notes.join()).toContain('seen in 2 x 2 parts, 4 times the work of the whole image');
    expect(info.foregroundPatches).toBeGreaterThan((await engine.prepareReference(request)).foregroundPatches);
    const found = await engine.segment({ ...inParts, withDetails: true });
    expect(dice(fromRuns(found.mask), await sampleMask(2))).toBeGreaterThan(0.75);
    expect(found.maskPrompt?.size).toEqual({ width: 63, height: 63 });
    expect(found.trust).toBeGreaterThan(0.5);
    const again = await engine.segment(inParts);
    expect(again.mask).toEqual(found.mask);
    expect(again.trust).toBe(found.trust);
  });

  it('are several where all are asked for', { timeout: 60_000 }, async () => {
    const thorough = { ...request, parameters: { ...DEFAULT_PARAMETERS, views: 'thorough' } } as const;
    const { notes } = await engine.prepareReference(thorough);
    expect(notes.join()).toMatch(/seen .* and in 3 x 3 parts/);
    const found = await engine.segment(thorough);
    expect(dice(fromRuns(found.mask), await sampleMask(2))).toBeGreaterThan(0.75);
    expect(found.times.decode).toBeGreaterThan((await engine.segment(request)).times.decode!);
  });

  it('of a picture at the scale of the reference are as many as that takes, of an enlarged one as ever', async () => {
    // Without the prior, which takes long to learn.
    const quick = { ...request, parameters: { ablation: { ...NO_ABLATION, prior: false } } };
    const { width, height } = (await sampleMask(1)).size;
    const tiles = [2, 3, 4, 5, 2, 3, 4, 5, 2].map((index, at) => ({
      input: sampleImage(index),
      left: (at % 3) * width,
      top: Math.floor(at / 3) * height,
    }));
    const blank = { width: 3 * width, height: 3 * height, channels: 3, background: '#000' } as const;
    const mosaic = path.join(home, 'mosaic.png');
    await sharp({ create: blank }).composite(tiles).png().toFile(mosaic);
    const enlarged = path.join(home, 'enlarged.png');
    await sharp(sampleImage(2))
      .resize(3 * width, 3 * height)
      .png()
      .toFile(enlarged);
    const notes = async (image: string, scale?: 'same' | 'fit') => {
      const parameters = { ...quick.parameters, ...(scale && { scale }) };
      return (await engine.segment({ ...quick, image, parameters })).notes.join('; ');
    };
    const parts = /1080 x 1080 pixels at the scale of the reference: seen in 4 x 4 parts/;
    expect(await notes(mosaic)).toMatch(parts);
    expect(await notes(enlarged)).not.toMatch(/parts/);
    expect(await notes(mosaic, 'fit')).not.toMatch(/parts/);
    expect(await notes(enlarged, 'same')).toMatch(parts);
  });

  it('are for the strategy that can have them', async () => {
    const parameters = { ...DEFAULT_PARAMETERS, views: 2 };
    const { notes } = await engine.prepareReference({ ...request, strategy: 'gbmseg', parameters });
    expect(notes.join()).not.toMatch(/parts/);
  });
});

describe('decoding what a person asks', () => {
  const point = (x: number, y: number, label: 0 | 1 = 1) => ({ point: { x, y }, label });
  const question = (n: number) => ({ image: sampleImage(n), prompts: { points: [point(100, 100)] } });
  /** A sample of its own in the home, to be changed. */
  async function copyOf(n: number, name: string): Promise<string> {
    const copy = path.join(home, name);
    await cp(sampleImage(n), copy);
    return copy;
  }

  it.each([2, 3, 4, 5, 6])('gives the mask of a segmentation again from its prompts, sample %i', async (n) => {
    const found = await engine.segment({ ...request, image: sampleImage(n), withDetails: true });
    const maskPrompt = found.maskPrompt;
    expect(maskPrompt?.data).toHaveLength(36 * 36);
    const points = found.prompts.filter(({ reason }) => reason === 'kept');
    const again = await engine.decode({
      image: sampleImage(n),
      prompts: { points, ...(maskPrompt && { maskPrompt }) },
      asApMedSam: true,
      ...(found.answerPrior && { answerPrior: found.answerPrior }),
    });
    expect(again.mask).toEqual(found.mask);
    expect(again.iouPrediction).toBe(found.iouPrediction);
    expect(again.file).toEqual(found.file);
  });

  it('adds to an answer what the strategy added', async () => {
    const found = await engine.segment({ ...request, withDetails: true });
    const asked = {
      image: request.image,
      prompts: { points: found.prompts.filter(({ reason }) => reason === 'kept'), maskPrompt: found.maskPrompt! },
    };
    const drawn = async (answerPrior?: FloatMap) => {
      const { mask } = await engine.decode({ ...asked, ...(answerPrior && { answerPrior }) });
      return runArea(mask);
    };
    const all = found.size.width * found.size.height;
    expect(await drawn()).toBeLessThan(all / 2);
    // The right half of the image.
    const half = await drawn({ size: { width: 2, height: 1 }, data: Float32Array.of(-99, 99) });
    expect(Math.abs(half / all - 0.5)).toBeLessThan(0.05);
    expect(await drawn({ size: { width: 1, height: 1 }, data: Float32Array.of(99) })).toBe(all);
  });

  it('does so for gbmseg, which has no mask prompt', async () => {
    const found = await engine.segment({ ...request, strategy: 'gbmseg', withDetails: true });
    expect(found).not.toHaveProperty('maskPrompt');
    const points = found.prompts.filter(({ reason }) => reason === 'kept');
    expect((await engine.decode({ image: request.image, prompts: { points } })).mask).toEqual(found.mask);
  });

  it('gives the mask prompt with the details only', async () => {
    expect(await engine.segment(request)).not.toHaveProperty('maskPrompt');
  });

  it('sees in a BMP what it sees in a PNG', async () => {
    const { data, info } = await sharp(sampleImage(2)).toColourspace('srgb').removeAlpha().raw().toBuffer({
      resolveWithObject: true,
    });
    const pixels = Array.from({ length: info.width * info.height }, (_, i) => data.readUIntBE(i * 3, 3));
    const image = path.join(home, 'sample.bmp');
    await writeFile(image, makeBmp({ size: info, bits: 24, pixels }));
    const { prompts } = question(2);
    const [bmp, png] = [await engine.decode({ image, prompts }), await engine.decode(question(2))];
    expect(bmp.mask).toEqual(png.mask);
    expect(bmp.iouPrediction).toBe(png.iouPrediction);
  });

  it('heeds points, box and specks', async () => {
    const image = sampleImage(2);
    const foreground = async (extra: object, asApMedSam = false) => {
      const { mask } = await engine.decode({ image, prompts: { points: [], ...extra }, asApMedSam });
      return fromRuns(mask).data;
    };
    const count = (data: Uint8Array) => data.reduce((sum, value) => sum + value, 0);
    const points = [point(100, 100), point(250, 250)];
    const plain = await foreground({ points });
    const denied = await foreground({ points: [...points, point(20, 20, 0), point(300, 60, 0)] });
    const boxed = await foreground({ points, box: { left: 0, top: 0, right: 180, bottom: 180 } });
    const clean = await foreground({ points }, true);
    for (const data of [plain, denied, boxed, clean]) expect(count(data)).toBeGreaterThan(0);
    expect(denied).not.toEqual(plain);
    expect(boxed).not.toEqual(plain);
    expect(clean.every((value, i) => value <= plain[i])).toBe(true);
  });

  it('is bolder on request where a click may mean one object or all', async () => {
    const asked = { image: sampleImage(2), prompts: { points: [point(100, 100)] } };
    const plain = fromRuns((await engine.decode(asked)).mask).data;
    const { mask, maskPrompt } = await engine.decode({ ...asked, bestOverlap: true, withMaskPrompt: true });
    const bold = fromRuns(mask).data;
    expect(plain.every((value, i) => value <= bold[i])).toBe(true);
    expect(bold).not.toEqual(plain);
    expect(thresholdToRuns(maskPrompt!, mask.size, 0)).toEqual(mask);
  });

  it.each([false, true])(
    'gives the logits of its mask to be asked with again, specks dropped: %s',
    async (asApMedSam) => {
      const points = [point(100, 100), point(250, 250)];
      const asked = { image: sampleImage(2), prompts: { points }, asApMedSam };
      const { mask, maskPrompt } = await engine.decode({ ...asked, withMaskPrompt: true });
      expect(thresholdToRuns(maskPrompt!, mask.size, 0)).toEqual(mask);
      const plain = await engine.decode(asked);
      expect(plain).not.toHaveProperty('maskPrompt');
      expect(plain.mask).toEqual(mask);
      const again = await engine.decode({ ...asked, prompts: { points, maskPrompt: maskPrompt! } });
      expect(again.notes).toEqual([]);
      expect(again.mask).not.toEqual(mask);
      expect(dice(fromRuns(again.mask), fromRuns(mask))).toBeGreaterThan(0.5);
    },
  );

  it('encodes an image once, for several first questions at a time too', async () => {
    const client = start();
    const first = await Promise.all([client.decode(question(5)), client.decode(question(5))]);
    expect(first.filter(({ times }) => times.encode !== undefined)).toHaveLength(1);
    expect(first[0].mask).toEqual(first[1].mask);
    const next = await client.decode(question(5));
    expect(Object.keys(next.times)).toEqual(['decode', 'mask', 'total']);
    expect(next.mask).toEqual(first[0].mask);
  });

  it('finds what was prefetched, segmented with details, or left on disk', async () => {
    const client = start();
    await client.prefetch({ image: sampleImage(6) });
    expect((await client.decode(question(6))).times).not.toHaveProperty('read');
    await client.segment({ ...request, image: sampleImage(7), withDetails: true });
    expect((await client.decode(question(7))).times).not.toHaveProperty('read');
    expect((await client.segment({ ...request, image: sampleImage(6) })).times).not.toHaveProperty('read');
    // A batch does not come back to an image.
    await client.segment({ ...request, image: sampleImage(8) });
    expect((await client.decode(question(8))).times).toHaveProperty('encode');

    await client.segment({ ...request, image: sampleImage(9), cacheBelow: Number.POSITIVE_INFINITY });
    const { times } = await start().decode(question(9));
    expect(times).toHaveProperty('read');
    expect(times).not.toHaveProperty('encode');
  });

  it('forgets the image asked about longest ago', async () => {
    const client = start();
    for (let n = 1; n <= 8; n++) await client.prefetch({ image: sampleImage(n) });
    expect((await client.decode(question(1))).times).not.toHaveProperty('encode');
    await client.prefetch({ image: sampleImage(9) });
    expect((await client.decode(question(1))).times).not.toHaveProperty('read');
    expect((await client.decode(question(2))).times).toHaveProperty('read');
  });

  it('sees that the file has changed, or gone', async () => {
    const image = await copyOf(2, 'changing.png');
    const prompts = { points: [point(100, 100)] };
    const before = await engine.decode({ image, prompts });
    await copyOf(3, 'changing.png');
    const after = await engine.decode({ image, prompts });
    expect(after.times).toHaveProperty('read');
    expect(after.file.sha256).not.toBe(before.file.sha256);
    expect(after.mask).toEqual((await engine.decode({ image: sampleImage(3), prompts })).mask);
    await rm(image);
    await expect(engine.decode({ image, prompts })).rejects.toThrow(/changing\.png does not exist\.$/);
  });

  it('lets several references vote, and refuses any that does not fit its mask', async () => {
    const mask = toRuns(await sampleMask(3));
    const before = await engine.prepareReference(request);
    const together = { ...request, moreReferences: [{ image: sampleImage(3), mask }] };
    const prepared = await engine.prepareReference(together);
    expect(prepared.foregroundPatches).toBeGreaterThan(before.foregroundPatches);
    expect(prepared.file).toEqual(before.file);
    const result = await engine.segment(together);
    expect(dice(fromRuns(result.mask), await sampleMask(2))).toBeGreaterThan(0.75);
    expect(result.mask).not.toEqual((await engine.segment(request)).mask);
    const small = { size: { width: 2, height: 2 }, runs: Uint32Array.of(0, 4) };
    await expect(
      engine.prepareReference({ ...request, moreReferences: [{ image: sampleImage(3), mask: small }] }),
    ).rejects.toThrow(/^The support mask is 2 x 2 pixels, but its reference image .*nuclei_03\.png is 360 x 360\.$/);
  });

  it('describes an image by one unit vector, kept on disk', async () => {
    const first = await engine.describeImage({ image: sampleImage(2) });
    const other = await engine.describeImage({ image: sampleImage(3) });
    expect(Math.hypot(...first.descriptor)).toBeCloseTo(1, 5);
    expect(first.file.sha256).not.toBe(other.file.sha256);
    const cosine = first.descriptor.reduce((sum, value, k) => sum + value * other.descriptor[k], 0);
    expect(cosine).toBeGreaterThan(0.5);
    expect(cosine).toBeLessThan(0.9999);
    expect(await engine.describeImage({ image: sampleImage(2) })).toEqual(first);
    await expect(engine.describeImage({ image: path.join(home, 'none.png') })).rejects.toThrow(/does not exist\.$/);
  });

  it('describes without a segmenter, and opens one when it is asked', async () => {
    const missing = start({ segmenter: 'none' });
    const { descriptor } = await missing.describeImage({ image: sampleImage(2) });
    expect(descriptor).toEqual((await engine.describeImage({ image: sampleImage(2) })).descriptor);
    await expect(missing.decode(question(2))).rejects.toThrow(/^There is no segmenter called "none"/);
    expect((await missing.describeImage({ image: sampleImage(3) })).descriptor).toHaveLength(descriptor.length);

    const other = start({ cacheBytes: 0 });
    const [described, decoded] = await Promise.all([
      other.describeImage({ image: sampleImage(2) }),
      other.decode(question(3)),
    ]);
    expect(described.descriptor).toEqual(descriptor);
    expect(decoded.mask).toEqual((await engine.decode(question(3))).mask);
    expect((await other.describeImage({ image: sampleImage(2) })).descriptor).toEqual(descriptor);
  });

  it('answers while tiles are made', async () => {
    const side = 3000;
    const noise = Uint8Array.from({ length: side * side }, (_, i) => (i * 7919 + (i >> 5) * 31) % 251);
    const large = path.join(home, 'large.png');
    await sharp(noise, { raw: { width: side, height: side, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toFile(large);
    await engine.prefetch({ image: sampleImage(2) });
    let drawn = false;
    const tiles = engine.displayTiles({ image: large }).finally(() => {
      drawn = true;
    });
    expect((await engine.displayOverview({ image: sampleImage(2) })).info.format).toBe('png');
    expect((await engine.decode(question(2))).times).not.toHaveProperty('read');
    expect(drawn).toBe(false);
    expect(await tiles).toMatchObject({ tileSize: 512, levels: 4 });
  });

  it('refuses what cannot be asked, in words', async () => {
    await expect(engine.decode({ image: sampleImage(2), prompts: { points: [] } })).rejects.toMatchObject({
      name: 'RangeError',
      message: 'expected a point, a box or a mask prompt, got none',
    });
    const maskPrompt = { size: { width: 9, height: 9 }, data: new Float32Array(80) };
    await expect(engine.decode({ image: sampleImage(2), prompts: { points: [], maskPrompt } })).rejects.toThrow(
      'a mask prompt of 9 x 9 needs 81 values, got 80',
    );
  });

  it('stops for who no longer waits, and answers the others', async () => {
    const client = start();
    await client.info();
    const controller = new AbortController();
    const given = [client.decode(question(3), { signal: controller.signal }), client.decode(question(3))];
    controller.abort(new Error('moved on'));
    await expect(given[0]).rejects.toThrow('moved on');
    expect((await given[1]).iouPrediction).toBeGreaterThan(0);
  });
});

describe('reading labels', () => {
  it('gives runs and the hash of a mask', async () => {
    const mask = path.join(samples, 'masks', 'nuclei_02.png');
    const bytes = await readFile(mask);
    const { labels, sha256 } = await engine.readLabels({ mask });
    expect(fromLabelRuns(labels)).toEqual(decodeMaskPng(bytes, mask));
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('refuses a mask that is none, or missing', async () => {
    await expect(engine.readLabels({ mask: path.join(models, 'manifest.json') })).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(/manifest\.json is not an image; expected a mask as PNG/),
    });
    const gone = path.join(home, 'gone.png');
    await expect(engine.readLabels({ mask: gone })).rejects.toMatchObject({
      name: 'UserError',
      message: `Cannot read ${gone}: it does not exist.`,
    });
  });

  it('is told what the segmenter can be asked', async () => {
    const { capabilities } = await engine.info();
    expect(capabilities).toMatchObject({ points: true, box: true, maskPrompt: true, wholeClass: true });
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

    const spoilt = path.join(home, 'spoilt-models');
    await cp(models, spoilt, {
      recursive: true,
      filter: (source) => !source.includes('samples'),
    });
    await truncate(path.join(spoilt, 'embedded-encoder.onnx'), 1000);
    await expect(start({ modelsDir: spoilt }).info()).rejects.toThrow(/embedded-encoder\.onnx.*2,?138,?533.*1,?000/);

    const importedHome = path.join(home, 'imported');
    await importModel(new ModelStore(models, importedHome), {
      paths: [path.join(models, 'embedded-decoder.onnx')],
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
    const model = JSON.stringify(path.join(models, 'embedded-encoder.onnx'));
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
