/** `ap-medsam devices` and `--device`, as a user without a GPU meets them. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { answersFile } from '../../src/devices/deviceAnswers';
import { sha256 } from '../../src/disk/hashing';
import { library, zip } from '../devices/fixtures/nupkg';
import { complaint, jsonLines, QUICK, referenceArgs, Workshop } from './runCli';

const workshop = new Workshop();
const isLinux64 = process.platform === 'linux' && process.arch === 'x64';

/** Devices that no variable of this machine brings into being. */
const bare = ['env', '-u', 'VK_ICD_FILENAMES', '-u', 'VK_DRIVER_FILES'];
const hasGpu = existsSync('/dev/dri') || existsSync('/dev/nvidiactl') || existsSync('/dev/dxg');

describe.runIf(isLinux64 && !hasGpu)('on a machine without a GPU', () => {
  it('the table says so, and nothing is tried or written', async () => {
    const { code, stdout, stderr } = await workshop.run(['devices', '--probe'], { before: bare });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\| cpu +\| +yes \| +yes \| .*\| +yes \|/m);
    expect(stdout).toMatch(/^\| cuda +\| +no \| .*there is no NVIDIA device here/m);
    expect(stdout).toMatch(/^\| webgpu +\| +no \| .*there is no graphics device here/m);
    expect(existsSync(answersFile(workshop.home))).toBe(false);
    const { stdout: json } = await workshop.run(['devices', '--json'], { before: bare });
    const rows = jsonLines(json) as { readonly device: string; readonly used: boolean }[];
    expect(rows.map(({ device }) => device)).toEqual(['cpu', 'cuda', 'webgpu']);
    expect(rows.map(({ used }) => used)).toEqual([true, false, false]);
  });

  it('auto is the CPU, and --verbose says where each model is', async () => {
    const root = await workshop.sampleFolder([1, 2]);
    const args = ['segment', root, ...referenceArgs(1), ...QUICK, '--verbose'];
    const { code, stderr } = await workshop.run(args, { before: bare });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^engine: Encoder "embedded": on CPU \(provider cpu\), opened in \d+ ms, \d+ MB more/m);
    expect(stderr).toMatch(/^engine: CUDA is not used: there is no NVIDIA device here/m);
  });

  it.each(['cuda', 'webgpu', 'directml'])('%s by name is refused in one sentence, never the CPU', async (device) => {
    const root = await workshop.sampleFolder([1, 2]);
    const ended = await workshop.run(['segment', root, ...referenceArgs(1), ...QUICK, '--device', device], {
      before: bare,
    });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(
      /^ap-medsam: Encoder "embedded": the device (CUDA|WebGPU|DirectML) does not work: [^\n]+\.$/m,
    );
    expect(existsSync(path.join(root, 'masks'))).toBe(false);
  });

  it('the environment may name the device', async () => {
    const root = await workshop.sampleFolder([1, 2]);
    const run = (value: string) =>
      workshop.run(['segment', root, ...referenceArgs(1), ...QUICK], {
        before: [...bare, `AP_MEDSAM_DEVICE=${value}`],
      });
    expect((await run('coreml')).stderr).toContain('the device Core ML does not work');
    expect(complaint(await run('gpu'))).toBe(
      'AP_MEDSAM_DEVICE should be one of auto, cpu, cuda, tensorrt, directml, coreml, webgpu, got "gpu".',
    );
  });
});

describe.runIf(isLinux64)('CUDA support', () => {
  it('is installed from a file on consent only, and removed', async () => {
    const folder = 'runtimes/linux-x64/native/libonnxruntime_providers_';
    const content = zip(
      Object.fromEntries(['shared', 'cuda', 'tensorrt'].map((name) => [`${folder}${name}.so`, library(name)])),
    );
    const file = path.join(await workshop.newFolder(), 'gpu.nupkg');
    await writeFile(file, content);
    const install = ['devices', 'install-cuda', '--from', file];

    const asked = await workshop.run(install);
    expect(asked.code).toBe(2);
    expect(asked.stderr).toContain('Nothing was fetched: add --yes to agree.');

    const wrong = await workshop.run([...install, '--yes', '--sha256', 'a'.repeat(64)]);
    expect(complaint(wrong)).toContain(`expected SHA-256 ${'a'.repeat(64)}, found ${sha256(content)}`);

    const done = await workshop.run([...install, '--yes']);
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining(sha256(content)) });
    expect((await workshop.run(install)).stdout).toMatch(/^CUDA support for ONNX Runtime [\d.]+ is installed in /);
    const pins = JSON.parse(await readFile(path.join(workshop.home, 'runtime', 'pins.json'), 'utf8'));
    expect(Object.values(pins)).toEqual([sha256(content)]);

    expect((await workshop.run(['devices', 'remove-cuda'])).stdout).toMatch(/^Removed .*-cuda12\.\n$/);
    expect((await workshop.run(['devices', 'remove-cuda'])).stdout).toBe('There is no CUDA support to remove.\n');
  });
});
