/** What can be known of a machine's devices without starting them, on machines made of files. */
import { chmod } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { deviceMemoryInUse, lackOf, type MachineView, machineIdentity } from '../../src/devices/machine';
import { put, temporaryFolder } from '../dataset/fixtures';

let root: string;
beforeEach(async () => {
  root = await temporaryFolder();
});

const linux = (env: NodeJS.ProcessEnv = {}): MachineView => ({ platform: 'linux', env, root });

describe('what a device lacks', () => {
  it('is everything on a machine without devices', () => {
    expect(lackOf('cuda', linux())).toContain('no NVIDIA device');
    expect(lackOf('tensorrt', linux())).toContain('no NVIDIA device');
    expect(lackOf('webgpu', linux())).toContain('no graphics device');
    expect(lackOf('cpu', linux())).toBeUndefined();
  });

  it('is nothing with an NVIDIA card and its driver', async () => {
    await put(`${root}/dev/nvidiactl`, '');
    for (const device of ['cuda', 'tensorrt', 'webgpu'] as const) expect(lackOf(device, linux())).toBeUndefined();
  });

  it('is CUDA with another card', async () => {
    await put(`${root}/dev/dri/card0`, '');
    expect(lackOf('webgpu', linux())).toContain('no graphics device');
    await put(`${root}/dev/dri/renderD128`, '');
    expect(lackOf('webgpu', linux())).toBeUndefined();
    expect(lackOf('cuda', linux())).toContain('no NVIDIA device');
  });

  it('is nothing in WSL, with a software adapter that was chosen, or where it cannot be seen', async () => {
    expect(lackOf('webgpu', linux({ VK_ICD_FILENAMES: '/x.json' }))).toBeUndefined();
    expect(lackOf('cuda', linux({ VK_ICD_FILENAMES: '/x.json' }))).toContain('no NVIDIA device');
    await put(`${root}/dev/dxg`, '');
    expect(lackOf('cuda', linux())).toBeUndefined();
    expect(lackOf('directml', { platform: 'win32', env: {}, root })).toBeUndefined();
    expect(lackOf('coreml', { platform: 'darwin', env: {}, root })).toBeUndefined();
  });
});

describe("a machine's identity", () => {
  it('stays the same', async () => {
    await put(`${root}/proc/driver/nvidia/version`, 'NVRM version: 550.54');
    expect(machineIdentity(linux())).toBe(machineIdentity(linux()));
    expect(machineIdentity()).toBe(machineIdentity());
  });

  it.each([
    ['a driver', 'proc/driver/nvidia/version', 'NVRM version: 550.54', 'NVRM version: 560.1'],
    ['a kernel', 'proc/version', 'Linux version 6.1', 'Linux version 6.2'],
    ['a card', 'sys/class/drm/card0/device/device', '0x2330', '0x2331'],
    ['a Vulkan driver', 'usr/share/vulkan/icd.d/radeon.json', '{"api_version":"1.3.1"}', '{"api_version":"1.3.2"}'],
    ['an NVIDIA model', 'proc/driver/nvidia/gpus/0000/information', 'Model: \t NVIDIA H100', 'Model: \t NVIDIA H200'],
  ])('changes with %s', async (_, file, before, after) => {
    const bare = machineIdentity(linux());
    await put(`${root}/${file}`, before);
    const first = machineIdentity(linux());
    expect(first).not.toBe(bare);
    await put(`${root}/${file}`, after);
    expect(machineIdentity(linux())).not.toBe(first);
  });

  it('changes with the variables that choose a driver, not with others', () => {
    expect(machineIdentity(linux({ VK_DRIVER_FILES: '/a' }))).not.toBe(machineIdentity(linux()));
    expect(machineIdentity(linux({ HOME: '/a' }))).toBe(machineIdentity(linux()));
  });
});

describe('the memory in use on a device', () => {
  it.skipIf(process.platform === 'win32')('is what nvidia-smi says, over all cards', async () => {
    const program = await put(`${root}/nvidia-smi`, '#!/bin/sh\nprintf "1000\\n24\\n"\n');
    await chmod(program, 0o755);
    expect(await deviceMemoryInUse('cuda', program)).toBe(1024 * 2 ** 20);
    await put(program, '#!/bin/sh\necho "No devices were found"\n');
    expect(await deviceMemoryInUse('cuda', program)).toBeUndefined();
    await put(program, '#!/bin/sh\nexit 9\n');
    expect(await deviceMemoryInUse('cuda', program)).toBeUndefined();
  });

  it('is unknown without nvidia-smi, and of other devices', async () => {
    expect(await deviceMemoryInUse('cuda', `${root}/none`)).toBeUndefined();
    expect(await deviceMemoryInUse('webgpu')).toBeUndefined();
  });
});
