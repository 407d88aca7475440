/** From ids to adapters: the shipped models open, and a family that nobody knows is refused before any work is done. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { sha256 } from '../../src/disk/hashing';
import { EmbeddedEncoder } from '../../src/engine/encoders';
import { loadModels } from '../../src/engine/models/loadedModels';
import { Session } from '../../src/engine/runtime/sessions';
import { EmbeddedSegmenter } from '../../src/engine/segmenters';
import { encoderFamilyNames, segmenterFamilyNames } from '../../src/models/families';
import { importModel } from '../../src/models/modelImport';
import { ModelStore } from '../../src/models/modelStore';
import { put, temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';

const SHIPPED = resolve(import.meta.dirname, '../../models');
const IDS = { encoder: 'embedded', segmenter: 'embedded' };

/** A store that knows the shipped models and, as `mine`, a file of some family. */
async function storeWith(kind: 'encoder' | 'segmenter', family: string, content = '\x08\x08'): Promise<ModelStore> {
  const home = await temporaryFolder();
  await mkdir(join(home, 'models'));
  await put(join(home, 'models', 'mine.onnx'), content);
  const files = [{ role: 'model', file: 'mine.onnx', sha256: sha256(content), bytes: content.length }];
  const entry = { id: 'mine', kind, family, title: 'Mine', licence: 'user', origin: 'test', files };
  await put(join(home, 'models', 'manifest.json'), JSON.stringify({ version: 1, models: [entry] }));
  return new ModelStore(SHIPPED, home);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('loadModels', () => {
  it('opens the shipped models with the adapters of their family', async () => {
    const store = new ModelStore(SHIPPED, await temporaryFolder());
    const { encoder, segmenter, encoderModel, segmenterModel } = await loadModels(store, IDS, 1);
    expect(encoder).toBeInstanceOf(EmbeddedEncoder);
    expect(segmenter).toBeInstanceOf(EmbeddedSegmenter);
    expect(encoderModel.entry).toMatchObject({ id: 'embedded', kind: 'encoder' });
    expect(segmenterModel.entry).toMatchObject({ id: 'embedded', kind: 'segmenter' });
    expect(encoderModel.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(encoderModel.sha256).not.toBe(segmenterModel.sha256);
    await Promise.all([encoder.dispose(), segmenter.dispose()]);
  });

  it.each([
    ['encoder', 'dino7'],
    ['segmenter', 'sam7'],
    ['encoder', 'constructor'],
    ['segmenter', 'toString'],
  ] as const)('%s of family %s is refused, and the known ones are named', async (kind, family) => {
    const store = await storeWith(kind, family);
    const known = kind === 'encoder' ? encoderFamilyNames : segmenterFamilyNames;
    expect(await refusal(loadModels(store, { ...IDS, [kind]: 'mine' }, 1))).toBe(
      `The ${kind} "mine" is of family "${family}", which this version does not know; known: ${known.join(', ')}.`,
    );
  });

  it('opens no encoder where the segmenter is of no known family', async () => {
    const open = vi.spyOn(Session, 'open');
    const store = await storeWith('segmenter', 'sam7');
    await refusal(loadModels(store, { ...IDS, segmenter: 'mine' }, 1));
    expect(open).not.toHaveBeenCalled();
  });

  it('refuses an unknown id and a file that is no model', async () => {
    const store = await storeWith('segmenter', 'embedded');
    expect(await refusal(loadModels(store, { ...IDS, encoder: 'mine' }, 1))).toBe(
      'There is no encoder called "mine"; known: embedded, dinov2-small, dinov2-small-int8.',
    );
    expect(await refusal(loadModels(store, { ...IDS, segmenter: 'mine' }, 1))).toMatch(
      /^Segmenter "mine": not a model that ONNX Runtime \d+\.\d+\.\d+ can load\.$/,
    );
  });

  it('refuses the encoder as segmenter by its inputs and outputs', async () => {
    const home = await temporaryFolder();
    const store = new ModelStore(SHIPPED, home);
    const [graph] = (await store.list()).find(({ entry }) => entry.kind === 'encoder')!.entry.files;
    await importModel(store, {
      id: 'mine',
      kind: 'segmenter',
      family: 'embedded',
      paths: [join(SHIPPED, graph.file)],
    });
    expect(await refusal(loadModels(store, { ...IDS, segmenter: 'mine' }, 1))).toMatch(
      /^Segmenter "mine": its inputs and outputs are not .*; input point_coords \(float32 of rank 3\) is missing; .*\.$/,
    );
  });
});
