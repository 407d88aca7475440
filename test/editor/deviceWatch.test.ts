/** When the editor tries devices, and what it does with the answer. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { DeviceTrial } from '../../src/devices/deviceAnswers';
import type { DeviceAnswer, ProbeOptions } from '../../src/devices/deviceProber';
import { DeviceWatch } from '../../src/editor/engines/deviceWatch';
import type { DeviceChoice } from '../../src/protocol/deviceApi';
import { models } from '../cli/runCli';
import { temporaryFolder } from '../dataset/fixtures';

const owners: DeviceWatch[] = [];
afterEach(() => Promise.all(owners.splice(0).map((one) => one.dispose())));

const faster: DeviceTrial = {
  device: 'webgpu',
  measured: { difference: 1e-5, milliseconds: 10, cpuMilliseconds: 100 },
};
const crashed: DeviceTrial = { device: 'cuda', failure: 'its provider crashed (signal SIGSEGV)' };
const about = (sha256: string) => ({
  encoder: { id: 'embedded', sha256 },
  segmenter: { id: 'embedded', sha256 },
});

async function watch(answer: DeviceAnswer | Error, choice: () => DeviceChoice = () => 'auto') {
  const lines: string[] = [];
  const renew = vi.fn();
  const probe = vi.fn(async (_: ProbeOptions) => {
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const homeDir = await temporaryFolder();
  const options = {
    entry: '/none/engine.js',
    modelsDir: models,
    homeDir,
    quietMs: 0,
    log: (line: string) => lines.push(line),
  };
  const one = new DeviceWatch({ ...options, choice, renew, probe });
  owners.push(one);
  return { one, lines, renew, probe };
}

describe('the watch over devices', () => {
  it('tries them once for each pair of models, in the background, and lets engines start anew on a better one', async () => {
    const { one, lines, renew, probe } = await watch({ best: 'webgpu', trials: [crashed, faster] });
    for (const models of ['a', 'a', 'b', 'a']) one.consider(about(models));
    await vi.waitFor(() => expect(renew).toHaveBeenCalledTimes(2));
    expect(probe).toHaveBeenCalledTimes(2);
    expect(probe.mock.calls[0]![0]).toMatchObject({ background: true, target: { encoder: 'embedded' } });
    expect(lines.slice(0, 3)).toEqual([
      'CUDA is not used: its provider crashed (signal SIGSEGV).',
      'WebGPU is 10.0 times as fast (10 ms, the CPU 100 ms).',
      'The engine uses WebGPU from its next start, which is now.',
    ]);
  });

  it('leaves the engines alone where nothing is better', async () => {
    const { one, lines, renew } = await watch({ best: 'cpu', trials: [crashed] });
    one.consider(about('a'));
    await vi.waitFor(() => expect(lines).toHaveLength(1));
    expect(renew).not.toHaveBeenCalled();
  });

  it('does nothing where a device was asked for by name', async () => {
    const { one, probe } = await watch({ best: 'webgpu', trials: [faster] }, () => 'cpu');
    one.consider(about('a'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(probe).not.toHaveBeenCalled();
  });

  it('does not renew for a choice that was changed meanwhile', async () => {
    let choice: DeviceChoice = 'auto';
    const { one, lines, renew } = await watch({ best: 'webgpu', trials: [faster] }, () => choice);
    one.consider(about('a'));
    choice = 'cpu';
    await vi.waitFor(() => expect(lines).toHaveLength(1));
    expect(renew).not.toHaveBeenCalled();
  });

  it('logs a failure and goes on', async () => {
    const { one, lines } = await watch(new Error('no models'));
    one.consider(about('a'));
    await vi.waitFor(() => expect(lines).toEqual(['The devices could not be tried: no models']));
  });

  it('tries again when asked, in the foreground', async () => {
    const { one, renew, probe } = await watch({ best: 'webgpu', trials: [faster] });
    const answer = await one.tryAgain('embedded', 'embedded', new AbortController().signal);
    expect(answer.best).toBe('webgpu');
    expect(probe.mock.calls[0]![0]).toMatchObject({ background: false });
    expect(renew).toHaveBeenCalledTimes(1);
  });
});
