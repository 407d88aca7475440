/** The models that benches compare are models that an engine takes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sha256 } from '../../src/disk/hashing';
import { ModelStore } from '../../src/models/modelStore';
import { chosenModels, repository } from './bench';

let work: string;

beforeAll(async () => {
  work = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-chosen-'));
});

afterAll(() => rm(work, { recursive: true, force: true }));

it('are the embedded ones unless others are asked for', async () => {
  expect(await chosenModels({}, work)).toEqual({
    modelsDir: path.join(repository, 'models'),
    encoder: 'embedded',
    segmenter: 'embedded',
  });
  expect((await chosenModels({ models: work }, work)).modelsDir).toBe(work);
});

it('have a decoder of their own beside the embedded encoder', async () => {
  const decoder = path.join(work, 'new.onnx');
  await writeFile(decoder, 'other weights');
  const { modelsDir, encoder, segmenter } = await chosenModels({ decoder }, work);
  const chosen = new ModelStore(modelsDir, path.join(work, 'home'));
  const shipped = new ModelStore(path.join(repository, 'models'), path.join(work, 'home'));
  expect((await chosen.resolve('segmenter', segmenter)).entry.files[0]!.sha256).toBe(sha256('other weights'));
  expect((await chosen.resolve('encoder', encoder)).sha256).toBe((await shipped.resolve('encoder', encoder)).sha256);
});
