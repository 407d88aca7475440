/**
 * WebGPU for real, on a software adapter: that the bundled provider opens, computes and ends in a process of ours. Says
 * nothing about speed, and little about GPUs. Only where AP_MEDSAM_TEST_WEBGPU is set, since it stands or falls with the
 * machine's Vulkan loader, driver and load; `npm run bench:devices -- --software` tries the models themselves.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { repository } from '../cli/runCli';

/** Where Debian's Chromium has its Vulkan loader and software driver. */
const CHROMIUM = '/usr/lib/chromium';
const driver = path.join(CHROMIUM, 'vk_swiftshader_icd.json');
const asked = Boolean(process.env.AP_MEDSAM_TEST_WEBGPU);
const runs = asked && existsSync(driver);
if (!runs) {
  const why = asked ? `${driver} is missing (Debian's Chromium brings it)` : 'AP_MEDSAM_TEST_WEBGPU is not set';
  console.warn(`WebGPU IS NOT TESTED HERE: ${why}.`);
}

describe.runIf(runs)('WebGPU on a software adapter', () => {
  it('computes what the CPU does', async () => {
    // Below the repository, so that onnxruntime-node is found.
    const outfile = path.join(repository, 'dist', 'test', 'webgpuChild.cjs');
    await build({
      entryPoints: [path.join(import.meta.dirname, 'fixtures', 'webgpuChild.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      external: ['onnxruntime-node'],
      logLevel: 'warning',
    });
    const env = {
      ...process.env,
      ORT_DISABLE_TELEMETRY: '1',
      VK_ICD_FILENAMES: driver,
      LD_LIBRARY_PATH: [CHROMIUM, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    };
    const { stdout } = await promisify(execFile)(process.execPath, [outfile], { env });
    const { places, outputs } = JSON.parse(stdout) as { places: unknown; outputs: number[][] };
    expect(places).toEqual([{ title: 'small graph', device: 'webgpu' }]);
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x * x));
    outputs.forEach((row, i) => {
      [-1, 0.5 * (i + 1), 2].forEach((x, k) => {
        expect(row[k]).toBeCloseTo(sigmoid(x), 5);
      });
    });
    expect(outputs).toHaveLength(3);
  });
});
