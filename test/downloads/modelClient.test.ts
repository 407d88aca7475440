/** The model process as the extension meets it: the real bundle, a server on this machine. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path, { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sha256 } from '../../src/disk/hashing';
import { ModelClient, type ModelClientOptions } from '../../src/downloads/modelClient';
import { ModelStore } from '../../src/models/modelStore';
import type { DownloadProgress } from '../../src/protocol/modelApi';
import { isRunning, repository } from '../cli/runCli';
import { refusal } from '../refusal';
import { FileServer } from './fileServer';

const GRAPH = Buffer.concat([Buffer.of(8), randomBytes(299_999)]);
const NAME = { kind: 'encoder', id: 'tiny' } as const;
/** Nothing of this machine's own settings. */
const NETWORK = { direct: true } as const;

let dir: string;
let server: FileServer;
let store: ModelStore;
const clients: ModelClient[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-client-'));
  await mkdir(join(dir, 'shipped'));
  server = await FileServer.start();
  const url = server.serve('/tiny.onnx', GRAPH);
  await list({ url, sha256: sha256(GRAPH), bytes: GRAPH.length });
  store = new ModelStore(join(dir, 'shipped'), join(dir, 'home'));
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.dispose()));
  await server.close();
  await rm(dir, { recursive: true, maxRetries: 5 });
});

const list = (file: object) => {
  const files = [{ role: 'model', file: 'encoder-tiny/tiny.onnx', ...file }];
  const entry = { ...NAME, family: 'dinov2', title: 'Tiny', licence: 'MIT', origin: 'test', files };
  return writeFile(join(dir, 'shipped', 'manifest.json'), JSON.stringify({ version: 1, models: [entry] }));
};

function start(changes: Partial<ModelClientOptions> = {}): ModelClient {
  const client = new ModelClient({
    entry: path.join(repository, 'dist', 'models.js'),
    config: { modelsDir: join(dir, 'shipped'), homeDir: join(dir, 'home') },
    confirm: async () => false,
    ...changes,
  });
  clients.push(client);
  return client;
}

const state = async () => (await store.list())[0]!.state;

describe('the model process', () => {
  it('downloads with progress, verifies, and ends when there is nothing to do', async () => {
    const client = start({ lingerMs: 50 });
    expect(client.pid).toBeUndefined();
    const seen: DownloadProgress[] = [];
    const downloading = client.download(NAME, NETWORK, { onProgress: (progress) => seen.push(progress) });
    const pid = client.pid!;
    await downloading;
    expect(seen.at(-1)).toMatchObject({ ...NAME, received: GRAPH.length, total: GRAPH.length });
    expect(await state()).toBe('downloaded');
    expect(await client.verify()).toEqual([NAME]);
    await writeFile(join(dir, 'home', 'models', 'encoder-tiny', 'tiny.onnx'), randomBytes(GRAPH.length));
    expect(await client.verify(NAME)).toEqual([{ ...NAME, problem: expect.stringContaining('wrong content') }]);
    // On a busy machine there may have been nothing to do between two calls, and another process since.
    await vi.waitFor(() => expect(client.pid).toBeUndefined(), 20_000);
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), 20_000);
  });

  it('tells its sentences, and uses the mirror of the settings', async () => {
    const client = start();
    const missing = client.download(NAME, { ...NETWORK, mirror: `${server.origin}/none` });
    expect(await refusal(missing)).toBe(
      `${server.url('/none/tiny.onnx')} does not exist (HTTP 404): the file has moved, or the mirror lacks it.`,
    );
  });

  it('asks about files that no hash is known for', async () => {
    await list({ url: server.url('/tiny.onnx') });
    const confirm = vi.fn<ModelClientOptions['confirm']>().mockResolvedValueOnce(false).mockResolvedValueOnce(true);
    const client = start({ confirm });
    expect(await refusal(client.download(NAME, NETWORK))).toContain('was not accepted');
    await client.download(NAME, NETWORK);
    const found = { file: 'tiny.onnx', from: server.url('/tiny.onnx'), sha256: sha256(GRAPH), bytes: GRAPH.length };
    expect(confirm).toHaveBeenLastCalledWith(NAME, [found]);
    expect(await state()).toBe('downloaded');
  });

  it('imports files', async () => {
    const local = join(dir, 'local.onnx');
    await writeFile(local, GRAPH);
    expect(await start().importFiles(NAME, [local])).toEqual([]);
    expect(await state()).toBe('imported');
  });

  it('imports a model of the user', async () => {
    const local = join(dir, 'local.onnx');
    await writeFile(local, GRAPH);
    const client = start();
    const request = { paths: [local], id: 'mine', kind: 'encoder', family: 'dinov2', licence: 'MIT' } as const;
    await client.importModel(request);
    const { entry } = await store.resolve('encoder', 'mine');
    expect(entry).toMatchObject({ licence: 'MIT', files: [{ sha256: sha256(GRAPH), bytes: GRAPH.length }] });
    expect(await refusal(client.importModel(request))).toBe(
      'There already is a user encoder called "mine"; choose another name.',
    );
  });

  it('stops a cancelled download and keeps its part', async () => {
    server.on('/tiny.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': GRAPH.length }).write(GRAPH.subarray(0, 100_000));
    });
    const client = start();
    const stop = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ received }: DownloadProgress) => received > 0 && stop.abort(reason);
    await expect(client.download(NAME, NETWORK, { signal: stop.signal, onProgress })).rejects.toBe(reason);
    expect(await state()).toBe('partial');
    server.serve('/tiny.onnx', GRAPH);
    await client.download(NAME, NETWORK);
    expect(server.rangesOf('/tiny.onnx').at(-1)).toMatch(/^bytes=[1-9]/);
  });

  it('that is killed is told of, and the next download goes on', async () => {
    server.on('/tiny.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': GRAPH.length }).write(GRAPH.subarray(0, 100_000));
    });
    const client = start();
    const onProgress = ({ received }: DownloadProgress) => {
      if (received > 0) process.kill(client.pid!, 'SIGKILL');
    };
    expect(await refusal(client.download(NAME, NETWORK, { onProgress }))).toBe(
      'The work on models ended early because its process did (signal SIGKILL): what was downloaded is kept, start it again to go on.',
    );
    server.serve('/tiny.onnx', GRAPH);
    await client.download(NAME, NETWORK);
    expect(await state()).toBe('downloaded');
  });
});

describe('the bundles', () => {
  it('of window, engines and batches hold nothing that opens a connection', async () => {
    const dist = path.join(repository, 'dist');
    const holders: string[] = [];
    for (const name of (await readdir(dist)).filter((one) => one.endsWith('.js'))) {
      if ((await readFile(join(dist, name), 'utf8')).includes('// node_modules/undici/')) holders.push(name);
    }
    expect(holders.sort()).toEqual(['cli.js', 'models.js']);
  });
});
