import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { NoEngineError, UserError } from '../../src/core/userError';
import { EngineClient, type EngineClientOptions } from '../../src/engineClient/client';
import { createPool } from '../../src/engineClient/pool';
import { ChildCrashError } from '../../src/processes/child';
import type { EngineConfig, EngineInfo, SegmentRequest, SegmentResult } from '../../src/protocol/engineApi';
import { repository } from '../cli/runCli';
import type { FakeNotes } from './fixtures/fakeEngine';

let dir: string;
let entry: string;
const clients: EngineClient[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-client-'));
  entry = join(dir, 'fakeEngine.js');
  await build({
    entryPoints: ['fakeEngine.ts', 'fakeParent.ts'].map((name) => join(import.meta.dirname, 'fixtures', name)),
    outdir: dir,
    bundle: true,
    platform: 'node',
    logLevel: 'warning',
  });
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.dispose())));
afterAll(() => rm(dir, { recursive: true }));

type StartOptions = Partial<EngineClientOptions> & { encoder?: string; imageSeconds?: number };

function start({ imageSeconds, ...options }: StartOptions = {}): EngineClient {
  const config = {
    encoder: options.encoder ?? 'fake',
    threads: 1,
    ...(imageSeconds && { imageSeconds }),
  } as EngineConfig;
  const client = new EngineClient({ entry, config, ...options });
  clients.push(client);
  return client;
}

const request = (image: string) => ({ image }) as SegmentRequest;
const notesOf = ({ notes }: SegmentResult): FakeNotes => JSON.parse(notes[0]!);
const marker = () => join(dir, `marker-${Math.random()}`);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // An orphan that has exited stays in the table until init collects it, in state Z.
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // There is no such process.
    return false;
  }
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

describe('EngineClient', () => {
  it('starts one process on first use and keeps it', async () => {
    const client = start();
    expect(client.pid).toBeUndefined();
    const [first, second] = await Promise.all([client.segment(request('a')), client.segment(request('b'))]);
    expect(notesOf(first).pid).toBe(client.pid);
    expect(notesOf(second).pid).toBe(client.pid);
    expect((await client.info()).pid).toBe(client.pid);
    expect(first.mask.runs).toEqual(Uint32Array.of(1, 3));
  });

  it('passes the configuration, and an environment without telemetry or what was meant for the editor', async () => {
    vi.stubEnv('NODE_OPTIONS', '--max-http-header-size=99999');
    const { env, execArgv, config } = notesOf(await start().segment(request('a')));
    vi.unstubAllEnvs();
    expect(config).toEqual({ encoder: 'fake', threads: 1 });
    expect(env).toMatchObject({ ORT_DISABLE_TELEMETRY: '1', ELECTRON_RUN_AS_NODE: '1', PATH: process.env.PATH });
    expect(env).not.toHaveProperty('NODE_OPTIONS');
    expect(execArgv).toEqual(['--initial-old-space-size=128', '--min-semi-space-size=8']);
  });

  it('hands on what the process prints', async () => {
    const lines: string[] = [];
    await start({ onOutput: (line) => lines.push(line) }).segment(request('print'));
    await vi.waitFor(() => expect(lines.sort()).toEqual(['to stderr', 'to stdout']));
  });

  it('passes errors of the engine on, without a new process', async () => {
    const client = start();
    const { pid } = await client.info();
    const error = await errorOf(client.segment(request('fail')));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe('the image is damaged');
    expect(client.pid).toBe(pid);
  });

  it('repeats a call whose process crashed', async () => {
    const client = start();
    const { pid } = await client.info();
    const result = await client.segment(request(`crash?${marker()}`));
    expect(notesOf(result).pid).not.toBe(pid);
    expect(notesOf(result).pid).toBe(client.pid);
  });

  it('repeats a call whose process was killed from outside', async () => {
    const client = start();
    const { pid } = await client.info();
    const slow = client.segment(request('slow'));
    await delay(50);
    process.kill(pid, 'SIGKILL');
    expect(notesOf(await slow).pid).not.toBe(pid);
  });

  it('blames an image that crashes twice, in one sentence, and goes on', async () => {
    const client = start();
    const error = await errorOf(client.segment(request('kill')));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe('The engine crashed twice (signal SIGKILL) on kill.');
    expect(error.cause).toBeInstanceOf(ChildCrashError);
    expect(error.cause).toMatchObject({ ending: 'signal SIGKILL', wasReady: true });
    await client.segment(request('next'));
  });

  it('does not blame its neighbours', async () => {
    const client = start();
    const images = ['slow', 'crash', 'slow', 'other', 'kill', 'slow'];
    const outcomes = await Promise.allSettled(images.map((image) => client.segment(request(image))));
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  it('reports a process that cannot start, and does not start another at once', async () => {
    const lines: string[] = [];
    const client = start({ encoder: 'no start', onOutput: (line) => lines.push(line) });
    const errors = await Promise.all([1, 2, 3].map(() => errorOf(client.segment(request('a')))));
    for (const error of errors) {
      expect(error).toBeInstanceOf(NoEngineError);
      expect(error.message).toBe('The segmentation engine could not start: Error: libvips.so is missing.');
      expect(error.cause.stderrTail).toContain('at ');
    }
    const printed = lines.length;
    expect(await errorOf(client.info())).toBeInstanceOf(UserError);
    expect(client.pid).toBeUndefined();
    expect(lines).toHaveLength(printed);
  });

  it.skipIf(process.platform === 'win32')(
    'starts again where it is killed while it starts, or before it has begun with a call',
    async () => {
      const client = start({ encoder: `killed 1 ${marker()}` });
      await Promise.all(['a', `killed preparing?${marker()}`].map((image) => client.segment(request(image))));
      const killed = await errorOf(start({ encoder: `killed 3 ${marker()}` }).segment(request('a')));
      expect(killed).toBeInstanceOf(NoEngineError);
      expect(killed.message).toBe('The segmentation engine could not start: it ended with signal SIGKILL.');
    },
  );

  it('tries again after a while', async () => {
    const client = start({ encoder: 'silent end', restartDelayMs: 30 });
    const expected = 'The segmentation engine could not start: it ended with exit code 3.';
    const first = await errorOf(client.info());
    expect(first.message).toBe(expected);
    await delay(40);
    const second = await errorOf(client.info());
    expect(second.message).toBe(expected);
    expect(second).not.toBe(first);
  });

  it('reports an engine file that is not there', async () => {
    const error = await errorOf(start({ entry: join(dir, 'none.js') }).info());
    expect(error.message).toMatch(
      /^The segmentation engine could not start: Error: Cannot find module '.*none\.js'\.$/,
    );
  });

  it('leaves nothing open, even where a process of its own outlives it and holds its output', async () => {
    const pipes = () => process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;
    const before = pipes();
    const client = start();
    await client.segment(request('child'));
    await client.dispose();
    await expect.poll(pipes).toBe(before);
  });

  it('rejects a cancelled call at once and keeps an engine that answers in time', async () => {
    const client = start({ cancelGraceMs: 5000 });
    const { pid } = await client.info();
    const abort = new AbortController();
    const result = client.segment(request('stall'), { signal: abort.signal });
    await delay(20);
    abort.abort(new Error('stopped'));
    const cancelled = performance.now();
    await expect(result).rejects.toThrow('stopped');
    expect(performance.now() - cancelled).toBeLessThan(800);
    expect(notesOf(await client.segment(request('a'))).pid).toBe(pid);
  });

  it('kills a run that overstays its cancellation; the next call gets a new process', async () => {
    const client = start({ cancelGraceMs: 100 });
    const { pid } = await client.info();
    const abort = new AbortController();
    const result = client.segment(request('hang'), { signal: abort.signal });
    await delay(20);
    abort.abort(new Error('stopped'));
    await expect(result).rejects.toThrow('stopped');
    const next = await client.segment(request('a'));
    expect(notesOf(next).pid).not.toBe(pid);
    expect(isAlive(pid)).toBe(false);
  });

  describe('with a time limit', () => {
    const imageSeconds = 0.5;
    const tooLong = (image: string) =>
      `${image} took longer than 0.5 s, the most that one image may take: give it more with --image-timeout or the setting apMedSam.imageTimeout.`;

    it.each([
      ['an image that is worked on for ever', 'endless'],
      ['one that keeps the process from anything else', 'hang'],
      ...(process.platform === 'win32' ? [] : [['one whose process is stopped', 'stop']]),
    ])('fails %s, and starts anew', async (_, image) => {
      const client = start({ imageSeconds });
      const { pid } = await client.info();
      const error = await errorOf(client.segment(request(image!)));
      expect(error).toBeInstanceOf(UserError);
      expect(error.message).toBe(tooLong(image!));
      expect((await client.info()).pid).not.toBe(pid);
      await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
    });

    it('blames no neighbour, no turn that was waited for and nothing that was prepared', async () => {
      const client = start({ imageSeconds: 1 });
      const images = ['endless', ...Array(5).fill('queue'), 'hang', 'prepare'];
      const outcomes = await Promise.allSettled(images.map((image) => client.segment(request(image))));
      const failed = images.filter((_, index) => outcomes[index]!.status === 'rejected');
      expect(failed).toEqual(['endless', 'hang']);
    });
  });

  it('does not start for a call that is cancelled already', async () => {
    const client = start();
    await expect(client.info(undefined, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
    expect(client.pid).toBeUndefined();
  });

  it('lets the process go when disposed, and rejects calls', async () => {
    const client = start();
    const { pid } = await client.info();
    const waiting = errorOf(client.segment(request('slow')));
    await delay(20);
    await client.dispose();
    expect(isAlive(pid)).toBe(false);
    expect((await waiting).message).toBe('the engine was shut down');
    await expect(client.info()).rejects.toThrow('the engine was shut down');
    await client.dispose();
  });

  it('kills a process that does not go', async () => {
    const client = start({ disposeGraceMs: 50 });
    const { pid } = await client.info();
    const hanging = errorOf(client.segment(request('hang')));
    await delay(50);
    await client.dispose();
    expect(isAlive(pid)).toBe(false);
    expect((await hanging).message).toBe('the engine was shut down');
  });

  it.skipIf(process.platform === 'win32')('leaves no engine behind when the parent is killed', async () => {
    const parent = spawn(process.execPath, [join(dir, 'fakeParent.js'), entry], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await new Promise<Buffer[]>((done) => parent.stdout.once('data', (...data) => done(data)));
    const pid = Number(String(line));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5000 });
  });

  it('ignores Ctrl+C, which is the parent’s to decide on', async () => {
    const client = start();
    const { pid } = await client.info();
    process.kill(pid, 'SIGINT');
    await delay(50);
    expect((await client.info()).pid).toBe(pid);
  });
});

describe('a pool of real processes', () => {
  it('starts as many as it needs, survives a crash in one, and goes', async () => {
    const pool = createPool(2, { entry, config: { encoder: 'fake' } as EngineConfig });
    const one = notesOf(await pool.segment(request('a')));
    expect(notesOf(await pool.segment(request('b'))).pid).toBe(one.pid);
    const images = ['slow', 'slow', `kill?${marker()}`, 'slow'];
    const results = await Promise.all(images.map((image) => pool.segment(request(image))));
    const pids = [...new Set(results.map((result) => notesOf(result).pid))];
    expect(pids).toHaveLength(2);
    await pool.dispose();
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

describe('an engine that has opened its models', () => {
  it('tells where they are, each process anew', async () => {
    const placed: EngineInfo[] = [];
    const client = new EngineClient({
      entry: join(repository, 'dist', 'engine.js'),
      config: {
        modelsDir: join(repository, 'models'),
        homeDir: join(dir, 'home'),
        encoder: 'embedded',
        segmenter: 'embedded',
        threads: 1,
        cacheBytes: 1e8,
        pixelLimit: 1e8,
        device: 'auto',
      },
      onPlaced: (info) => placed.push(info),
    });
    clients.push(client);
    await client.info();
    await vi.waitFor(() => expect(placed).toHaveLength(1));
    expect(placed[0]).toMatchObject({ pid: client.pid, device: 'cpu' });
    await client.renew();
    const { pid } = await client.info();
    await vi.waitFor(() => expect(placed.map((info) => info.pid)).toEqual([placed[0]!.pid, pid]));
  });
});
