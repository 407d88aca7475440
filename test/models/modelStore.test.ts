import { createHash } from 'node:crypto';
import { appendFile, chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { importModel } from '../../src/models/modelImport';
import { ModelStore } from '../../src/models/modelStore';
import { refusal } from '../refusal';

const SHIPPED = resolve(import.meta.dirname, '../../models');

let dir: string;
let modelsDir: string;
let home: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-models-'));
  modelsDir = join(dir, 'shipped');
  home = join(dir, 'home');
  await mkdir(modelsDir);
  await writeFile(join(modelsDir, 'a.onnx'), GRAPH);
  await writeManifest([entry()]);
});
afterEach(() => rm(dir, { recursive: true }));

const GRAPH = Buffer.from('\x08\x08 a graph', 'latin1');
const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');

const entry = (changes: object = {}) => ({
  id: 'small',
  kind: 'encoder',
  family: 'embedded',
  title: 'Small',
  licence: 'Apache-2.0',
  origin: 'test',
  files: [{ role: 'model', file: 'a.onnx', sha256: sha256(GRAPH), bytes: GRAPH.length }],
  ...changes,
});

const file = () => entry().files[0]!;

const manifestOf = (changes: object): string => JSON.stringify({ version: 1, models: [entry(changes)] });

const writeManifest = (models: object[]) =>
  writeFile(join(modelsDir, 'manifest.json'), JSON.stringify({ version: 1, models }));

describe('the shipped manifest', () => {
  it('matches the shipped files and their licence', async () => {
    const store = new ModelStore(SHIPPED, home);
    const rows = await store.verify();
    expect(rows.map(({ entry: { kind, id }, source, problem }) => [kind, id, source, problem])).toEqual([
      ['encoder', 'embedded', 'shipped', undefined],
      ['segmenter', 'embedded', 'shipped', undefined],
    ]);
    for (const { entry: model } of rows) {
      expect(model.family).toBe('embedded');
      expect(model.inputSide).toBe(288);
      expect(model.seenInTraining!.length).toBeGreaterThan(0);
      if (model.licenceFile) expect(await readdir(SHIPPED)).toContain(model.licenceFile);
    }
  });

  it('is what models/README.md says', async () => {
    const readme = await readFile(join(SHIPPED, 'README.md'), 'utf8');
    const models = await new ModelStore(SHIPPED, home).list();
    for (const { entry: model } of models.filter(({ state }) => state === 'shipped')) {
      const file = model.files[0]!;
      expect(readme).toContain(`| ${file.file} | ${file.bytes} | ${file.sha256} |`);
    }
  });
});

describe('resolve', () => {
  it('gives the absolute path and the hash of the model', async () => {
    const found = await new ModelStore(modelsDir, home).resolve('encoder', 'small');
    expect(found.paths).toEqual({ model: join(modelsDir, 'a.onnx') });
    expect(found.sha256).toBe(sha256(`model ${sha256(GRAPH)}\ninputSide 288\npatchSize 32\n`));
    expect(found.entry.title).toBe('Small');
  });

  it('combines the hashes of several files, in whatever order they are listed', async () => {
    await writeFile(join(modelsDir, 'a.onnx_data'), 'weights');
    const data = { role: 'data1', file: 'a.onnx_data', sha256: sha256('weights'), bytes: 7 };
    const [graph] = entry().files;
    await writeManifest([entry({ files: [graph, data] }), entry({ id: 'turned', files: [data, graph] })]);
    const store = new ModelStore(modelsDir, home);
    const both = await store.resolve('encoder', 'small');
    expect(both.sha256).toBe(sha256(`data1 ${data.sha256}\nmodel ${graph!.sha256}\ninputSide 288\npatchSize 32\n`));
    expect((await store.resolve('encoder', 'turned')).sha256).toBe(both.sha256);
    expect((await store.resolve('encoder', 'turned')).paths.model).toBe(join(modelsDir, 'a.onnx'));
  });

  it('gives the path of every graph of a family of two', async () => {
    const [graph] = entry().files;
    const files = [
      { ...graph, role: 'encoder' },
      { ...graph, role: 'decoder', file: 'b/d.onnx' },
    ];
    await mkdir(join(modelsDir, 'b'));
    await writeFile(join(modelsDir, 'b', 'd.onnx'), GRAPH);
    await writeManifest([entry({ kind: 'segmenter', family: 'sam', files })]);
    expect((await new ModelStore(modelsDir, home).resolve('segmenter', 'small')).paths).toEqual({
      encoder: join(modelsDir, 'a.onnx'),
      decoder: join(modelsDir, 'b', 'd.onnx'),
    });
  });

  it('counts settings among what a model is, whether its entry or its family gives them', async () => {
    const dino = { family: 'dinov2' };
    const settings = [
      {},
      { inputSide: 518, patchSize: 14 },
      { inputSide: 560 },
      { mean: [0.5, 0.5, 0.5] },
      { std: [0.5, 0.5, 0.5] },
      { registers: 4 },
      { preNormTokens: 'before' },
      { positionalRank: 8 },
      { int8Weights: true },
      { ownRange: true },
      { placement: 'stretched' },
      { boxesOnly: true },
    ];
    await writeManifest(settings.map((setting, i) => entry({ ...dino, ...setting, id: `m${i}`, notes: `note ${i}` })));
    const store = new ModelStore(modelsDir, home);
    const hashes: string[] = [];
    for (const i of settings.keys()) hashes.push((await store.resolve('encoder', `m${i}`)).sha256);
    expect(hashes[0]).toBe(sha256(`model ${sha256(GRAPH)}\ninputSide 518\npatchSize 14\n`));
    expect(hashes[1]).toBe(hashes[0]);
    expect(new Set(hashes).size).toBe(settings.length - 1);
  });

  it('names the known ids of that kind when there is no such model', async () => {
    const store = new ModelStore(modelsDir, home);
    expect(await refusal(store.resolve('encoder', 'dino'))).toBe('There is no encoder called "dino"; known: small.');
    expect(await refusal(store.resolve('segmenter', 'small'))).toBe(
      'There is no segmenter called "small"; known: none.',
    );
  });

  it('refuses a missing, a truncated and a longer file', async () => {
    const store = new ModelStore(modelsDir, home);
    const path = join(modelsDir, 'a.onnx');
    await appendFile(path, 'more');
    expect(await refusal(store.resolve('encoder', 'small'))).toBe(
      `The model file ${path} is another file: expected 10 bytes, found 14.`,
    );
    await truncate(path, 3);
    expect(await refusal(store.resolve('encoder', 'small'))).toBe(
      `The model file ${path} is truncated: expected 10 bytes, found 3.`,
    );
    await rm(path);
    expect(await refusal(store.resolve('encoder', 'small'))).toBe(`The model file ${path} is missing.`);
  });

  it('refuses other content of the same size, showing both hashes, also after it was right', async () => {
    const store = new ModelStore(modelsDir, home);
    await store.resolve('encoder', 'small');
    const other = Buffer.from('\x08\x08 A GRAPH', 'latin1');
    await writeFile(join(modelsDir, 'a.onnx'), other);
    expect(await refusal(store.resolve('encoder', 'small'))).toContain(
      `expected SHA-256 ${sha256(GRAPH)}, found ${sha256(other)}`,
    );
  });

  it('says how a model that is not downloaded can be had', async () => {
    const [graph] = entry().files;
    await writeManifest([entry({ files: [{ ...graph, file: 'b.onnx', url: 'https://example.org/b.onnx' }] })]);
    expect(await refusal(new ModelStore(modelsDir, home).resolve('encoder', 'small'))).toBe(
      'The encoder "small" is not downloaded yet (0.0 kB, Apache-2.0): run "ap-medsam models download small", or choose "AP-MedSAM: Download Model..." in VS Code.',
    );
  });

  it.each([
    ['not JSON', '{', /manifest\.json is not valid: it is not JSON\.$/],
    ['another version', '{"version":2,"models":[]}', /is not valid: version: /],
    ['without the graph of its family', manifestOf({ files: [{ ...file(), role: 'encoder' }] }), /"model"\.$/],
    [
      'without the second graph of its family',
      manifestOf({ kind: 'segmenter', family: 'sam', files: [{ ...file(), role: 'encoder' }] }),
      /models\.0\.files: must hold exactly one file of role "decoder"\.$/,
    ],
    ['with a role twice', manifestOf({ files: [file(), file()] }), /models\.0\.files: must not repeat a role\.$/],
    ['without files', manifestOf({ family: 'later', files: [] }), /models\.0\.files: /],
    ['with two means', manifestOf({ mean: [1, 2] }), /models\.0\.mean: /],
    ['with no spread', manifestOf({ std: [1, 0, 1] }), /models\.0\.std: must be positive\.$/],
    ['with half a patch', manifestOf({ patchSize: 3.5 }), /models\.0\.patchSize: /],
    ['a path out of the folder', undefined, /models\.0\.files\.0\.file: must stay below the manifest/],
  ])('refuses a manifest that is %s', async (_, text, expected) => {
    const outside = entry({ files: [{ ...entry().files[0], file: '../a.onnx' }] });
    await writeFile(join(modelsDir, 'manifest.json'), text ?? JSON.stringify({ version: 1, models: [outside] }));
    expect(await refusal(new ModelStore(modelsDir, home).list())).toMatch(expected);
  });
});

describe('verify', () => {
  it('reports every model, right or wrong', async () => {
    const [graph] = entry().files;
    await writeManifest([entry(), entry({ id: 'gone', files: [{ ...graph, file: 'gone.onnx' }] })]);
    const rows = await new ModelStore(modelsDir, home).verify();
    expect(rows.map(({ entry: { id }, problem }) => [id, problem])).toEqual([
      ['small', undefined],
      ['gone', `The model file ${join(modelsDir, 'gone.onnx')} is missing.`],
    ]);
  });
});

describe('importModel', () => {
  const source = () => join(dir, 'my model.onnx');
  beforeEach(() => writeFile(source(), Buffer.concat([GRAPH, Buffer.from('!')])));

  it('copies the file into the home and finds it there, also in another process', async () => {
    const store = new ModelStore(modelsDir, home);
    const request = { paths: [source()], id: 'mine', kind: 'encoder', family: 'embedded', inputSide: 512 } as const;
    const imported = await importModel(store, request);
    expect(imported).toMatchObject({
      id: 'mine',
      kind: 'encoder',
      family: 'embedded',
      licence: 'user',
      inputSide: 512,
    });
    expect(imported.files[0]).toMatchObject({ role: 'model', bytes: 11 });
    await rm(source());
    const other = new ModelStore(modelsDir, home);
    const found = await other.resolve('encoder', 'mine');
    expect(found.paths.model).toBe(join(home, 'models', 'encoder-mine', 'my model.onnx'));
    expect((await readFile(found.paths.model!)).length).toBe(11);
    expect((await other.list()).map(({ entry: { id }, source }) => [id, source])).toEqual([
      ['mine', 'user'],
      ['small', 'shipped'],
    ]);
  });

  it('keeps what was imported before, and external data beside its graph', async () => {
    const store = new ModelStore(modelsDir, home);
    await importModel(store, { paths: [source()], id: 'one', kind: 'encoder', family: 'embedded' });
    const data = join(dir, 'weights.onnx_data');
    await writeFile(data, 'weights');
    await chmod(data, 0o444);
    await importModel(store, {
      paths: [source(), data],
      id: 'two',
      kind: 'segmenter',
      family: 'embedded',
      licence: 'MIT',
    });
    expect((await store.list()).map(({ entry: { id } }) => id)).toEqual(['one', 'two', 'small']);
    const files = await readdir(join(home, 'models', 'segmenter-two'));
    expect(files.sort()).toEqual(['my model.onnx', 'weights.onnx_data']);
    expect((await store.resolve('segmenter', 'two')).entry.licence).toBe('MIT');
  });

  it('takes an encoder and a decoder, in whatever order their names tell, and the data of both', async () => {
    const names = ['prompt_encoder_mask_decoder.onnx', 'vision_encoder.onnx', 'a.onnx_data', 'b.onnx_data'];
    const paths = names.map((name) => join(dir, name));
    await Promise.all(names.map((name) => writeFile(join(dir, name), `\x08\x08 ${name}`)));
    const store = new ModelStore(modelsDir, home);
    const request = { paths, id: 'two', kind: 'segmenter', family: 'sam2' } as const;
    const { files } = await importModel(store, request);
    expect(files.map(({ role, file: at }) => [role, at])).toEqual([
      ['encoder', 'segmenter-two/vision_encoder.onnx'],
      ['decoder', 'segmenter-two/prompt_encoder_mask_decoder.onnx'],
      ['data1', 'segmenter-two/a.onnx_data'],
      ['data2', 'segmenter-two/b.onnx_data'],
    ]);
    const other = await importModel(store, { ...request, id: 'other', paths: [paths[1]!, paths[0]!] });
    expect(other.files.map(({ role }) => role)).toEqual(['encoder', 'decoder']);
    expect(other.files[0]!.file).toBe('segmenter-other/vision_encoder.onnx');
    expect(await readdir(join(home, 'models', 'segmenter-two'))).toHaveLength(4);
    const { paths: found } = await store.resolve('segmenter', 'two');
    expect(await readFile(found.decoder!, 'latin1')).toContain('prompt_encoder_mask_decoder');
  });

  it('refuses half a model, data for a graph, and files that would overwrite each other', async () => {
    const store = new ModelStore(modelsDir, home);
    const request = { id: 'half', kind: 'segmenter', family: 'sam' } as const;
    expect(await refusal(importModel(store, { ...request, paths: [source()] }))).toBe(
      'The model "half" cannot be imported: family "sam" needs 2 ONNX files (encoder and decoder), found 1.',
    );
    const data = join(dir, 'weights.data');
    await writeFile(data, 'weights');
    expect(await refusal(importModel(store, { ...request, paths: [source(), data] }))).toBe(
      `${data} is not an ONNX model.`,
    );
    await mkdir(join(dir, 'b'));
    await cp(source(), join(dir, 'b', 'my model.onnx'));
    const twins = [source(), join(dir, 'b', 'my model.onnx')];
    expect(await refusal(importModel(store, { ...request, paths: twins }))).toBe(
      'The model "half" cannot be imported: two of its files are called my model.onnx, and they must lie in one folder.',
    );
    expect(await refusal(importModel(store, { ...request, family: 'embedded', paths: [] }))).toMatch(
      /needs one ONNX file, found 0\.$/,
    );
  });

  it('refuses a taken id, shipped or imported, but not of the other kind', async () => {
    const store = new ModelStore(modelsDir, home);
    const request = { paths: [source()], kind: 'encoder', family: 'embedded' } as const;
    expect(await refusal(importModel(store, { ...request, id: 'small' }))).toBe(
      'There already is a shipped encoder called "small"; choose another name.',
    );
    await importModel(store, { ...request, id: 'mine' });
    expect(await refusal(importModel(store, { ...request, id: 'mine' }))).toMatch(/a user encoder called "mine"/);
    await importModel(store, { ...request, id: 'small', kind: 'segmenter' });
  });

  it('refuses what is no model, a bad name and a missing file, leaving nothing behind', async () => {
    const store = new ModelStore(modelsDir, home);
    const request = { paths: [source()], id: 'mine', kind: 'encoder', family: 'embedded' } as const;
    const page = join(dir, 'page.onnx');
    await writeFile(page, '<html>');
    expect(await refusal(importModel(store, { ...request, paths: [page] }))).toBe(`${page} is not an ONNX model.`);
    expect(await refusal(importModel(store, { ...request, id: '../x' }))).toMatch(/cannot be imported: id: must be/);
    const none = join(dir, 'none.onnx');
    expect(await refusal(importModel(store, { ...request, paths: [none] }))).toContain(`${none} does not exist`);
    await expect(readdir(home)).rejects.toThrow('ENOENT');
  });

  it('says so when the home cannot be written', async () => {
    await writeFile(home, 'a file');
    const request = { paths: [source()], id: 'mine', kind: 'encoder', family: 'embedded' } as const;
    expect(await refusal(importModel(new ModelStore(modelsDir, home), request))).toMatch(
      /^Cannot write .*: a file stands where (a folder|one of its folders) should be\.$/,
    );
    await rm(home);
    await mkdir(join(home, 'models'), { recursive: true });
    await writeFile(join(home, 'models', 'encoder-mine'), 'a file');
    expect(await refusal(importModel(new ModelStore(modelsDir, home), request))).toMatch(
      /^Cannot write .*encoder-mine: a file stands where a folder should be\.$/,
    );
  });

  it('imports a copy of the shipped encoder', async () => {
    const copy = join(dir, 'copy.onnx');
    await cp(join(SHIPPED, 'embedded-encoder.onnx'), copy);
    const store = new ModelStore(SHIPPED, home);
    await importModel(store, { paths: [copy], id: 'copy', kind: 'encoder', family: 'embedded' });
    expect((await store.resolve('encoder', 'copy')).sha256).toBe((await store.resolve('encoder', 'embedded')).sha256);
  });
});
