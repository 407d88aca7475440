/**
 * WebGPU for real, on a software adapter: that the bundled provider opens, computes and ends in a process of ours, and
 * that the embedded models give there what they give on the CPU. Says nothing about speed, and little about GPUs; `npm
 * run bench:devices -- --software` tries the models at their own size.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { repository } from '../cli/runCli';

/** Where Debian's Chromium has its Vulkan loader and software driver. */
const CHROMIUM = '/usr/lib/chromium';
const driver = path.join(CHROMIUM, 'vk_swiftshader_icd.json');
const runs = existsSync(driver);
if (!runs) console.warn(`WEBGPU IS NOT TESTED HERE: ${driver} is missing (Debian's Chromium brings it).`);

/** Sides that the models' images are brought to: what a graph computes wrongly, it computes wrongly at any size. */
const SIDE = 64;

/** The embedded models in a folder of their own, made to look at `SIDE` pixels. */
async function smallModels(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-webgpu-'));
  const models = path.join(repository, 'models');
  const manifest = JSON.parse(await readFile(path.join(models, 'manifest.json'), 'utf8')) as {
    models: { id: string; inputSide: number; files: { file: string }[] }[];
  };
  const embedded = manifest.models.filter(({ id }) => id === 'embedded');
  for (const { files } of embedded) {
    for (const { file } of files) await cp(path.join(models, file), path.join(folder, file));
  }
  const content = { ...manifest, models: embedded.map((entry) => ({ ...entry, inputSide: SIDE })) };
  await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(content));
  return folder;
}

interface Answer {
  readonly small: { readonly places: unknown; readonly outputs: readonly number[][] };
  readonly embedded: { readonly places: readonly { readonly device: string }[]; readonly difference: number };
}

describe.runIf(runs)('WebGPU on a software adapter', () => {
  it('computes what the CPU does, the embedded models among it', { timeout: 240_000 }, async () => {
    // Below the repository, so that onnxruntime-node is found.
    const outfile = path.join(repository, 'dist', 'test', 'webgpuChild.cjs');
    await build({
      entryPoints: [path.join(import.meta.dirname, 'fixtures', 'webgpuChild.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      external: ['onnxruntime-node', 'sharp'],
      logLevel: 'warning',
    });
    const env = {
      ...process.env,
      ORT_DISABLE_TELEMETRY: '1',
      VK_ICD_FILENAMES: driver,
      LD_LIBRARY_PATH: [CHROMIUM, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    };
    const models = await smallModels();
    const { stdout } = await promisify(execFile)(process.execPath, [outfile, models], { env }).finally(() =>
      rm(models, { recursive: true }),
    );
    const { small, embedded } = JSON.parse(stdout) as Answer;
    expect(small.places).toEqual([{ title: 'small graph', device: 'webgpu' }]);
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x * x));
    small.outputs.forEach((row, i) => {
      [-1, 0.5 * (i + 1), 2].forEach((x, k) => {
        expect(row[k]).toBeCloseTo(sigmoid(x), 5);
      });
    });
    expect(small.outputs).toHaveLength(3);
    expect(embedded.places.map(({ device }) => device)).toEqual(['webgpu', 'webgpu']);
    expect(embedded.difference).toBeLessThan(1e-3);
  });
});
