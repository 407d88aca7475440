/** What the benches share: the engines under test, the machine they ran on, tables. */
import os from 'node:os';
import path from 'node:path';
import { createPool, type EnginePool } from '../../src/engine/pool';
import type { EngineInfo } from '../../src/protocol/engineApi';

export const repository = path.resolve(__dirname, '..', '..');

/** Which models the engines run: ids of the manifest in a folder. */
export interface BenchModels {
  readonly modelsDir: string;
  readonly encoder: string;
  readonly segmenter: string;
}

const EMBEDDED: BenchModels = {
  modelsDir: path.join(repository, 'models'),
  encoder: 'embedded',
  segmenter: 'embedded',
};

/** Engines built from this checkout. */
export function startEngines(
  count: number,
  threads: number,
  homeDir: string,
  cacheBytes = 2 ** 31,
  models = EMBEDDED,
): EnginePool {
  return createPool(count, {
    entry: path.join(repository, 'dist', 'engine.js'),
    config: {
      ...models,
      homeDir,
      threads,
      cacheBytes,
      pixelLimit: 2 ** 28,
    },
    log: (line) => console.error(line),
  });
}

/** Machine and versions, the line under every table. */
export function environment({ node, onnxruntime, sharp, libvips }: EngineInfo): string {
  const cpu = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return (
    `${cpu[0]?.model.trim() ?? 'unknown processor'}, ${cpu.length} cores, ${memory} GiB, ${os.platform()} ${os.arch()}; ` +
    `Node ${node}, onnxruntime-node ${onnxruntime}, sharp ${sharp} (libvips ${libvips})`
  );
}
