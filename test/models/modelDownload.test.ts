/** Whole models: several files, several processes, little room, files that nobody has published a hash for. */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { sha256 } from '../../src/disk/hashing';
import { LockFile } from '../../src/disk/lockFile';
import { type DownloadOptions, downloadModel } from '../../src/models/modelDownload';
import { importFiles } from '../../src/models/modelImport';
import { ModelMissingError } from '../../src/models/modelState';
import { ModelStore } from '../../src/models/modelStore';
import type { DownloadProgress, UnknownFile } from '../../src/protocol/modelApi';
import { FileServer, sendFile } from '../downloads/fileServer';
import { refusal } from '../refusal';

const graph = (bytes: number) => Buffer.concat([Buffer.of(8), randomBytes(bytes - 1)]);
const ENCODER = graph(200_000);
const DATA = randomBytes(150_000);
const DECODER = graph(50_000);

const NAME = { kind: 'segmenter', id: 'sam' } as const;

let script: string;
let dir: string;
let modelsDir: string;
let home: string;
let server: FileServer;
let store: ModelStore;

beforeAll(async () => {
  script = await mkdtemp(join(tmpdir(), 'ap-medsam-downloader-'));
  await build({
    entryPoints: [join(import.meta.dirname, 'fixtures', 'downloader.ts')],
    outfile: join(script, 'downloader.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
  });
});
afterAll(() => rm(script, { recursive: true }));

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-download-'));
  modelsDir = join(dir, 'shipped');
  home = join(dir, 'home');
  await mkdir(modelsDir);
  server = await FileServer.start();
  server.serve('/encoder.onnx', ENCODER, { etag: '"e"' });
  server.serve('/encoder.onnx_data', DATA);
  server.serve('/decoder.onnx', DECODER);
  await writeManifest([entry()]);
  store = new ModelStore(modelsDir, home);
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true, maxRetries: 5 });
});

const file = (role: string, name: string, content?: Buffer, folder = 'segmenter-sam') => ({
  role,
  file: `${folder}/${name}`,
  url: server.url(`/${name}`),
  ...(content && { sha256: sha256(content), bytes: content.length }),
});

const entry = (changes: object = {}) => ({
  ...NAME,
  family: 'sam2',
  title: 'Test',
  licence: 'Apache-2.0',
  origin: 'test',
  files: [
    file('encoder', 'encoder.onnx', ENCODER),
    file('encoder-data', 'encoder.onnx_data', DATA),
    file('decoder', 'decoder.onnx', DECODER),
  ],
  ...changes,
});

const writeManifest = (models: object[]) =>
  writeFile(join(modelsDir, 'manifest.json'), JSON.stringify({ version: 1, models }));

const download = (options: DownloadOptions = {}) =>
  downloadModel(store, NAME, {
    env: {},
    patience: { stallMs: 20_000, attempts: 3, pauseMs: 1, longestPauseMs: 10 },
    ...options,
  });

const stateOf = async (id: string = NAME.id) =>
  (await store.list()).find(({ entry: { id: one } }) => one === id)?.state;

const sizeOf = async (path: string) => (await stat(path).catch(() => ({ size: 0 }))).size;

const folder = () => join(home, 'models', 'segmenter-sam');
const files = async () => (await readdir(folder())).sort();

describe('a model of several files', () => {
  it('is downloaded, found, checked and removed', async () => {
    expect(await stateOf()).toBe('available');
    await expect(store.resolve('segmenter', 'sam')).rejects.toBeInstanceOf(ModelMissingError);
    const seen: DownloadProgress[] = [];
    await download({ onProgress: (progress) => seen.push(progress) });
    expect(await files()).toEqual(['decoder.onnx', 'encoder.onnx', 'encoder.onnx_data', 'installed.json']);
    expect(await stateOf()).toBe('downloaded');
    const found = await store.resolve('segmenter', 'sam');
    expect(found.paths).toMatchObject({
      encoder: join(folder(), 'encoder.onnx'),
      decoder: join(folder(), 'decoder.onnx'),
    });
    expect((await readFile(join(folder(), 'encoder.onnx_data'))).equals(DATA)).toBe(true);
    expect(await store.verify(NAME)).toMatchObject([{ state: 'downloaded' }]);

    const total = ENCODER.length + DATA.length + DECODER.length;
    expect(seen.at(-1)).toMatchObject({ ...NAME, phase: 'downloading', received: total, total });
    expect(seen.map(({ phase }) => phase)).toContain('checking');

    await store.remove(NAME);
    expect(await stateOf()).toBe('available');
    await expect(readdir(folder())).rejects.toThrow('ENOENT');
    expect(await refusal(store.remove(NAME))).toBe(
      'The segmenter "sam" is not downloaded: there is nothing to remove.',
    );
  });

  it('tells of the last bytes before a stall, too', async () => {
    const stop = new AbortController();
    server.on('/encoder.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': ENCODER.length }).write(ENCODER.subarray(0, 70_000));
    });
    // Ends only when the report comes.
    const onProgress = ({ received }: DownloadProgress) => received === 70_000 && stop.abort(new Error('seen'));
    await expect(download({ signal: stop.signal, onProgress })).rejects.toThrow('seen');
  });

  it('is not downloaded again when it is there', async () => {
    await download();
    server.requests.length = 0;
    await download();
    expect(server.requests).toHaveLength(0);
  });

  it('is repaired where a file was altered, truncated or lost', async () => {
    await download();
    const paths = ['encoder.onnx', 'encoder.onnx_data', 'decoder.onnx'].map((name) => join(folder(), name));
    const altered = Buffer.from(ENCODER);
    altered[100] ^= 1;
    await writeFile(paths[0], altered);
    // Of the right size: only reading it tells.
    expect(await stateOf()).toBe('downloaded');
    expect(await store.verify()).toMatchObject([{ state: 'damaged', problem: expect.stringContaining(paths[0]) }]);
    await truncate(paths[1], 10);
    expect(await stateOf()).toBe('damaged');
    await rm(paths[2]);
    server.requests.length = 0;
    await download();
    expect(server.requests).toHaveLength(3);
    await store.resolve('segmenter', 'sam');
  });

  it('that stopped in the middle is partial, and goes on where it was', async () => {
    server.on('/encoder.onnx_data', (_, response, count) => {
      if (count > 0) response.writeHead(403).end();
      else server.cutOff(response, DATA, 60_000);
    });
    const arriving = vi.waitFor(async () => {
      expect(await sizeOf(join(folder(), 'encoder.onnx_data.part'))).toBe(60_000);
      server.arrived(60_000);
    }, 20_000);
    expect(await refusal(download())).toContain('HTTP 403');
    await arriving;
    expect(await stateOf()).toBe('partial');
    const [row] = await store.list();
    expect(row!.bytesHere).toBeGreaterThan(ENCODER.length);
    expect(await refusal(store.resolve('segmenter', 'sam'))).toMatch(
      /^The segmenter "sam" is downloaded only in part \(\d\.\d MB of 0\.4 MB\): run /,
    );
    // What is not used cannot be wrong.
    expect(await store.verify()).toEqual([]);
    server.requests.length = 0;
    server.serve('/encoder.onnx_data', DATA);
    await download();
    expect(server.requests.map(({ path }) => path)).toEqual(['/encoder.onnx_data', '/decoder.onnx']);
    expect(server.rangesOf('/encoder.onnx_data')[0]).toMatch(/^bytes=[1-9]/);
    expect(await stateOf()).toBe('downloaded');
  });

  it('with wrong content in one file is not used, and remove clears what is left', async () => {
    server.serve('/decoder.onnx', graph(50_000));
    expect(await refusal(download())).toContain(`expected SHA-256 ${sha256(DECODER)}, found `);
    expect(await stateOf()).toBe('partial');
    expect(await files()).toContain('decoder.onnx.rejected');
    await store.remove(NAME);
    await expect(readdir(folder())).rejects.toThrow('ENOENT');
  });

  it('takes a file that another model has already', async () => {
    const multi = { kind: 'segmenter', id: 'multi' } as const;
    const shared = [
      file('encoder', 'encoder.onnx', ENCODER, 'segmenter-multi'),
      file('decoder', 'decoder.onnx', DECODER, 'segmenter-multi'),
    ];
    await writeManifest([entry(), entry({ ...multi, files: shared })]);
    await download();
    server.requests.length = 0;
    await downloadModel(store, multi, { env: {} });
    expect(server.requests).toHaveLength(0);
    await store.remove(NAME);
    await store.resolve('segmenter', 'multi');
    expect(await stateOf('multi')).toBe('downloaded');
  });
});

describe('what cannot be downloaded', () => {
  it('is said to be shipped, imported or unknown', async () => {
    const { url: _, ...local } = file('model', 'a.onnx', DECODER);
    await writeManifest([entry({ family: 'embedded', files: [local] })]);
    expect(await refusal(download())).toBe(
      'The segmenter "sam" is shipped with AP-MedSAM: there is nothing to download.',
    );
    expect(await refusal(store.remove(NAME))).toBe(
      'The segmenter "sam" is shipped with AP-MedSAM and cannot be removed.',
    );
    expect(await refusal(downloadModel(store, { kind: 'encoder', id: 'sam' }))).toBe(
      'There is no encoder called "sam"; known: none.',
    );
  });
});

describe('room on the disk', () => {
  it('is looked for before the first request', async () => {
    const free = async () => 50e6 + 300_000;
    expect(await refusal(download({ freeBytes: free }))).toBe(
      `The disk is too full for the segmenter "sam": it needs 0.4 MB and 50.0 MB to spare, and 50.3 MB are free at ${join(folder(), 'encoder.onnx')}.`,
    );
    expect(server.requests).toHaveLength(0);
    await download({ freeBytes: async () => 50e6 + 400_000 });
  });

  it('is looked for again where only the server knows the size', async () => {
    await writeManifest([
      entry({ family: 'embedded', files: [{ ...file('model', 'encoder.onnx'), sha256: sha256(ENCODER) }] }),
    ]);
    expect(await refusal(download({ freeBytes: async () => 50e6 + 100_000 }))).toContain('needs 0.2 MB');
    expect(server.requests).toHaveLength(1);
    await expect(readdir(folder())).resolves.toEqual(['encoder.onnx.part']);
  });

  it('need not be had for what is there already', async () => {
    await mkdir(folder(), { recursive: true });
    await writeFile(join(folder(), 'encoder.onnx.part'), ENCODER.subarray(0, 150_000));
    await download({ freeBytes: async () => 50e6 + 250_000 });
  });
});

describe('files without a published hash', () => {
  const unknown = () =>
    entry({ files: [file('encoder', 'encoder.onnx'), { ...file('decoder', 'decoder.onnx'), bytes: DECODER.length }] });
  beforeEach(() => writeManifest([unknown()]));

  it('are shown with what was found, and pinned once accepted', async () => {
    const asked: UnknownFile[] = [];
    const confirm = async (these: readonly UnknownFile[]) => {
      asked.push(...these);
      return true;
    };
    await download({ confirm });
    expect(asked).toEqual([
      { file: 'encoder.onnx', from: server.url('/encoder.onnx'), sha256: sha256(ENCODER), bytes: ENCODER.length },
      { file: 'decoder.onnx', from: server.url('/decoder.onnx'), sha256: sha256(DECODER), bytes: DECODER.length },
    ]);
    const [row] = await store.list();
    expect(row).toMatchObject({ state: 'downloaded', entry: { files: [{ bytes: ENCODER.length }, {}] } });
    await store.resolve('segmenter', 'sam');
    // From now on nothing else will do.
    await writeFile(join(folder(), 'encoder.onnx'), graph(200_000));
    const fresh = new ModelStore(modelsDir, home);
    expect(await refusal(fresh.resolve('segmenter', 'sam'))).toContain(`expected SHA-256 ${sha256(ENCODER)}`);
    server.serve('/encoder.onnx', graph(200_000));
    expect(await refusal(download({ confirm }))).toContain(`expected SHA-256 ${sha256(ENCODER)}`);
    expect(asked).toHaveLength(2);
  });

  it('are kept, and not used, where nobody accepts them; accepting later needs no second download', async () => {
    expect(await refusal(download())).toBe(
      `No SHA-256 is published for the segmenter "sam", and what was found was not accepted: encoder.onnx ${sha256(ENCODER)}, decoder.onnx ${sha256(DECODER)}.`,
    );
    expect(await stateOf()).toBe('partial');
    await expect(store.resolve('segmenter', 'sam')).rejects.toBeInstanceOf(ModelMissingError);
    const before = server.requests.length;
    await download({ confirm: async () => true });
    // One question whether the part is whole, no byte of it again.
    const bodies = server.requests.slice(before).filter(({ headers }) => headers.range === undefined);
    expect(bodies.filter(({ path }) => path === '/encoder.onnx')).toEqual([]);
    await store.resolve('segmenter', 'sam');
  });

  it('that are no models are refused before anybody is asked', async () => {
    server.serve('/encoder.onnx', Buffer.from('version https://git-lfs.github.com/spec/v1'));
    const confirm = vi.fn(async () => true);
    expect(await refusal(download({ confirm }))).toMatch(/encoder\.onnx is not an ONNX model \(SHA-256 [0-9a-f]{64}\)/);
    expect(confirm).not.toHaveBeenCalled();
  });
});

describe('importing the files of a listed model', () => {
  const put = async (name: string, content: Buffer) => {
    const path = join(dir, name);
    await writeFile(path, content);
    return path;
  };
  const never = async () => {
    throw new Error('not to be asked');
  };

  it('recognises them by their hash, whatever their names, one by one or together', async () => {
    const first = await put('download (1).onnx', ENCODER);
    expect(await importFiles(store, NAME, [first], never)).toEqual(['encoder.onnx_data', 'decoder.onnx']);
    expect(await stateOf()).toBe('partial');
    expect(await importFiles(store, NAME, [await put('a', DATA), await put('b', DECODER)], never)).toEqual([]);
    expect(await stateOf()).toBe('imported');
    await rm(first);
    await store.resolve('segmenter', 'sam');
    await store.remove(NAME);
    expect(await stateOf()).toBe('available');
  });

  it('refuses others with both hashes', async () => {
    const path = await put('encoder.onnx', DECODER.subarray(1));
    expect(await refusal(importFiles(store, NAME, [path], never))).toBe(
      `${path} is none of the files of the segmenter "sam": expected SHA-256 ${sha256(ENCODER)} (encoder.onnx) or ${sha256(DATA)} (encoder.onnx_data) or ${sha256(DECODER)} (decoder.onnx), found ${sha256(DECODER.subarray(1))}.`,
    );
    expect(await stateOf()).toBe('available');
  });

  it('goes by the name where no hash is known, and asks', async () => {
    await writeManifest([entry({ family: 'embedded', files: [file('model', 'encoder.onnx')] })]);
    const path = await put('encoder.onnx', ENCODER);
    expect(await refusal(importFiles(store, NAME, [path], async () => false))).toContain('was not accepted');
    expect(await stateOf()).toBe('available');
    const asked: UnknownFile[] = [];
    await importFiles(store, NAME, [path], async (these) => asked.push(...these) > 0);
    expect(asked).toEqual([{ file: 'encoder.onnx', from: path, sha256: sha256(ENCODER), bytes: ENCODER.length }]);
    expect(await stateOf()).toBe('imported');
  });

  it('completes a download that was cut off', async () => {
    server.on('/decoder.onnx', (_, response) => response.writeHead(404).end());
    await refusal(download());
    expect(await importFiles(store, NAME, [await put('decoder.onnx', DECODER)], never)).toEqual([
      'encoder.onnx',
      'encoder.onnx_data',
    ]);
    server.requests.length = 0;
    await download();
    // The parts were complete.
    expect(server.requests).toEqual([]);
    expect(await stateOf()).toBe('downloaded');
  });
});

describe('several processes', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** A process that downloads the model and tells what happens. */
  function start() {
    const child = fork(join(script, 'downloader.js'), [JSON.stringify({ modelsDir, home, name: NAME })], {
      execArgv: [],
    });
    children.push(child);
    const phases: string[] = [];
    child.on('message', (message: { phase?: string }) => message.phase && phases.push(message.phase));
    const ended = new Promise<string>((resolve) => {
      let said = '';
      child.on('message', (message: { end?: string }) => {
        said = message.end ?? said;
      });
      child.on('close', () => resolve(said));
    });
    return { child, phases, ended };
  }

  it('download the same model once: the second one waits and takes the result', async () => {
    let finish: () => void = () => undefined;
    server.on('/encoder.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': ENCODER.length });
      response.write(ENCODER.subarray(0, 100_000));
      finish = () => response.end(ENCODER.subarray(100_000));
    });
    const first = start();
    await vi.waitFor(() => expect(server.requests).toHaveLength(1), 20_000);
    const second = start();
    await vi.waitFor(() => expect(second.phases).toContain('waiting'), 20_000);
    finish();
    expect(await Promise.all([first.ended, second.ended])).toEqual(['done', 'done']);
    expect(server.requests.map(({ path }) => path)).toEqual(['/encoder.onnx', '/encoder.onnx_data', '/decoder.onnx']);
    expect(second.phases).not.toContain('downloading');
    expect(await stateOf()).toBe('downloaded');
  });

  it('one that is killed in the middle leaves a part that the next one goes on with', async () => {
    server.on('/encoder.onnx', (request, response, count) => {
      if (count > 0) return void sendFile(request, response, ENCODER, { etag: '"e"' });
      response.writeHead(200, { 'content-length': ENCODER.length, etag: '"e"' });
      return void response.write(ENCODER.subarray(0, 100_000));
    });
    const first = start();
    const part = join(folder(), 'encoder.onnx.part');
    await vi.waitFor(async () => expect(await sizeOf(part)).toBe(100_000), 20_000);
    // A model under way is not to be removed.
    expect(await refusal(store.remove(NAME))).toMatch(
      new RegExp(
        `^The segmenter "sam" is being downloaded or imported by process ${first.child.pid} on .*: stop that first\\.$`,
      ),
    );
    first.child.kill('SIGKILL');
    expect(await first.ended).toBe('');
    expect(await start().ended).toBe('done');
    expect(server.rangesOf('/encoder.onnx')).toEqual([undefined, 'bytes=100000-']);
    expect(server.requests[1]!.headers['if-range']).toBe('"e"');
    await store.resolve('segmenter', 'sam');
  });

  it('one that waits can be cancelled', async () => {
    const lock = await LockFile.take(store.lockPath(NAME));
    const stop = new AbortController();
    const reason = new Error('enough');
    const notes: (string | undefined)[] = [];
    const waiting = download({
      signal: stop.signal,
      onProgress: ({ phase, note }) => {
        if (phase === 'waiting') stop.abort(reason);
        notes.push(note);
      },
    });
    await expect(waiting).rejects.toBe(reason);
    expect(notes[0]).toMatch(new RegExp(`^another download of it goes on \\(process ${process.pid} on `));
    await lock!.release();
    expect(server.requests).toHaveLength(0);
  });

  it('one whose lock was taken over stops', async () => {
    server.on('/encoder.onnx', async (_, response) => {
      response.writeHead(200, { 'content-length': ENCODER.length }).write(ENCODER.subarray(0, 10));
      await rm(store.lockPath(NAME));
    });
    expect(await refusal(download({ lock: { heartbeatMs: 20 } }))).toBe(
      'The download of the segmenter "sam" was taken over by another process, since this one did not answer for long.',
    );
  });
});
