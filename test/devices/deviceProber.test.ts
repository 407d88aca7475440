/**
 * Devices tried in real child processes whose providers crash, hang, err, crawl or win; and what is remembered of it.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  answersFile,
  bestOf,
  type DeviceTrial,
  recallTrials,
  rememberTrials,
  verdictOf,
  whyNotBetter,
} from '../../src/devices/deviceAnswers';
import { probeDevices, recallAnswer, settleDevice } from '../../src/devices/deviceProber';
import type { DeviceName } from '../../src/protocol/deviceApi';
import { models } from '../cli/runCli';

let bundles: string;
let entry: string;
let home: string;

beforeAll(async () => {
  bundles = await mkdtemp(join(tmpdir(), 'ap-medsam-probe-'));
  entry = join(bundles, 'fakeProbe.js');
  await build({
    entryPoints: [join(import.meta.dirname, 'fixtures', 'fakeProbe.ts')],
    outfile: entry,
    bundle: true,
    platform: 'node',
    logLevel: 'warning',
  });
});
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'ap-medsam-devices-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});
afterAll(() => rm(bundles, { recursive: true }));

const target = () => ({ modelsDir: models, homeDir: home, encoder: 'embedded', segmenter: 'embedded' });

/** Devices and what their providers do, in the order in which they are tried. */
function options(modes: Partial<Record<DeviceName, string>>, more: { limitMs?: number } = {}) {
  vi.stubEnv('FAKE_PROBE_MODES', JSON.stringify(modes));
  return { entry, target: target(), devices: Object.keys(modes) as DeviceName[], lack: () => undefined, ...more };
}

const failureOf = async (mode: string, limitMs?: number) => {
  const { trials, best } = await probeDevices(options({ cuda: mode }, limitMs === undefined ? {} : { limitMs }));
  expect(best).toBe('cpu');
  return trials[0]!.failure;
};

describe('a provider', () => {
  it('may crash', async () => {
    expect(await failureOf('segfault')).toBe('its provider crashed (signal SIGSEGV)');
    expect(await failureOf('abort')).toMatch(/^its provider crashed \((signal SIGABRT|exit code \d+)\)$/);
    expect(await failureOf('no start')).toMatch(/^its provider crashed/);
  });

  it.each(['hang', 'stuck'])('may never answer: %s', async (mode) => {
    expect(await failureOf(mode, 700)).toBe('it gave no answer in 1 s');
  });

  it('may not work at all', async () => {
    expect(await failureOf('missing')).toBe('no graphics adapter was found');
    expect(await failureOf('library')).toBe(
      'a library that it needs is missing (libcudnn.so.9: cannot open shared object file: No such file or directory)',
    );
  });

  it('may be wrong, slow, or no faster, and is not used then', async () => {
    const modes = { cuda: 'wrong', webgpu: 'slower', coreml: 'nan', directml: 'alike' };
    const { best, trials } = await probeDevices(options(modes));
    expect(best).toBe('cpu');
    expect(whyNotBetter(trials, best)).toEqual([
      "CUDA is not used: its results differ from the CPU's by 0.30, at most 0.01 is allowed.",
      'WebGPU is not used: it agrees with the CPU but is not faster (25000 ms, the CPU 100 ms).',
      "Core ML is not used: its results differ from the CPU's in kind (not a number), at most 0.01 is allowed.",
      'DirectML is not used: it agrees with the CPU but is not faster (95 ms, the CPU 100 ms).',
    ]);
  });

  it('may win, whatever the others do', async () => {
    const modes = { cuda: 'segfault', directml: 'faster', webgpu: 'fastest', coreml: 'wrong' };
    const { best, trials } = await probeDevices(options(modes));
    expect(best).toBe('webgpu');
    expect(verdictOf(trials[2]!).reason).toBe('WebGPU is 25.0 times as fast (4 ms, the CPU 100 ms)');
    expect(whyNotBetter(trials, best)[1]).toBe('DirectML is not used: WebGPU is faster still.');
  });
});

describe('a probe', () => {
  it('starts no process for what the machine visibly lacks', async () => {
    const tried: DeviceName[] = [];
    const { trials } = await probeDevices({
      ...options({ cuda: 'fastest', webgpu: 'faster' }),
      lack: (device) => (device === 'cuda' ? 'there is no NVIDIA device here' : undefined),
      onDevice: (device) => tried.push(device),
    });
    expect(tried).toEqual(['webgpu']);
    expect(trials[0]).toEqual({ device: 'cuda', failure: 'there is no NVIDIA device here' });
  });

  it('can be cancelled, and remembers nothing then', async () => {
    const stop = new AbortController();
    const probing = probeDevices({
      ...options({ cuda: 'hang' }),
      signal: stop.signal,
      onDevice: () => setTimeout(() => stop.abort(new Error('enough')), 300),
    });
    await expect(probing).rejects.toThrow('enough');
    expect(await recallAnswer(entry, target())).toBeUndefined();
  });

  it('refuses models that are not there', async () => {
    await expect(
      probeDevices({ ...options({ cuda: 'faster' }), target: { ...target(), encoder: 'none' } }),
    ).rejects.toThrow('There is no encoder called "none"');
  });
});

describe('an answer', () => {
  it('is remembered, and the devices are not tried again', async () => {
    const first = await settleDevice(options({ cuda: 'segfault', webgpu: 'faster' }));
    const again = await settleDevice({
      ...options({ cuda: 'fastest' }),
      onDevice: () => expect.unreachable('a device was tried again'),
    });
    expect(again).toEqual(first);
    expect(await recallAnswer(entry, target())).toEqual(first);
  });

  it('is replaced by a probe that is asked for', async () => {
    await settleDevice(options({ cuda: 'segfault' }));
    expect((await probeDevices(options({ cuda: 'fastest' }))).best).toBe('cuda');
    expect((await recallAnswer(entry, target()))?.best).toBe('cuda');
  });

  it('is forgotten when a driver changes', async () => {
    await settleDevice(options({ cuda: 'faster' }));
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '1');
    expect(await recallAnswer(entry, target())).toBeUndefined();
  });

  it('is forgotten when models, machine, runtime or libraries are others', async () => {
    const key = { machine: 'm', runtimeVersion: '1.30.0', library: 'bundled', encoder: 'e', segmenter: 's' };
    const trials: DeviceTrial[] = [
      { device: 'cuda', failure: 'why' },
      { device: 'webgpu', measured: { difference: Number.POSITIVE_INFINITY, milliseconds: 1, cpuMilliseconds: 2 } },
    ];
    await rememberTrials(home, key, trials);
    expect(await recallTrials(home, key)).toEqual(trials);
    for (const name of Object.keys(key)) {
      expect(await recallTrials(home, { ...key, [name]: 'other' }), name).toBeUndefined();
    }
  });

  it('of one machine leaves those of others, the newest of them', async () => {
    const key = (machine: string) => ({ machine, runtimeVersion: '1', library: 'b', encoder: 'e', segmenter: 's' });
    for (let n = 0; n < 70; n++) await rememberTrials(home, key(`m${n}`), [], new Date(1e12 + n * 1000));
    expect(await recallTrials(home, key('m69'))).toEqual([]);
    expect(await recallTrials(home, key('m6'))).toEqual([]);
    expect(await recallTrials(home, key('m5'))).toBeUndefined();
  });

  it.each([
    '{',
    '{"version":2,"answers":{}}',
    '{"version":1,"answers":{"x":{"time":"t","trials":[{"device":"abacus"}]}}}',
  ])('in a file that is damaged or of another version is made anew: %s', async (text) => {
    await writeFile(answersFile(home), text);
    expect(await recallAnswer(entry, target())).toBeUndefined();
    expect((await settleDevice(options({ cuda: 'faster' }))).best).toBe('cuda');
    expect(JSON.parse(await readFile(answersFile(home), 'utf8')).version).toBe(1);
  });

  it('is written to a home that does not exist yet', async () => {
    await mkdir(home, { recursive: true });
    const fresh = join(home, 'a', 'b');
    const settled = await settleDevice({ ...options({ cuda: 'faster' }), target: { ...target(), homeDir: fresh } });
    expect(settled.best).toBe('cuda');
  });
});

describe('the choice', () => {
  const trial = (device: DeviceName, milliseconds: number, difference = 0): DeviceTrial => ({
    device,
    measured: { difference, milliseconds, cpuMilliseconds: 100 },
  });

  it('is the fastest that agrees, not the first', () => {
    expect(bestOf([trial('cuda', 50), trial('webgpu', 30), trial('directml', 10, 0.02)])).toBe('webgpu');
  });

  it('takes differences up to 1e-2, and gains from a tenth on', () => {
    expect(bestOf([trial('cuda', 50, 0.01)])).toBe('cuda');
    expect(bestOf([trial('cuda', 50, 0.0101)])).toBe('cpu');
    expect(bestOf([trial('cuda', 90)])).toBe('cuda');
    expect(bestOf([trial('cuda', 91)])).toBe('cpu');
    expect(bestOf([])).toBe('cpu');
  });
});
