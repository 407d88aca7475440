/** The engines of a batch on a device: as many as suit it, once it is known which one that is. */
import { availableParallelism } from 'node:os';
import { type ProbeOptions, settleDevice } from '../devices/deviceProber';
import type { EngineConfig } from '../protocol/engineApi';
import type { EngineClientOptions } from './client';
import { createPool, type EnginePool, parallelismOn } from './pool';

interface PoolStart extends Pick<EngineClientOptions, 'entry' | 'log' | 'onOutput'> {
  readonly config: Omit<EngineConfig, 'threads'>;
  /** Engine processes and threads of each; what suits the device where undefined. */
  readonly engines?: number | undefined;
  readonly threads?: number | undefined;
  /** How devices are tried, where they have to be. */
  readonly trying: Pick<ProbeOptions, 'signal' | 'log' | 'onDevice'>;
}

/**
 * Tries the devices first where `auto` has no answer yet: a batch may wait for what decides about the speed of all that
 * follows. A process starts when its first call comes.
 */
export async function startPool({ config, engines, threads, trying, ...client }: PoolStart): Promise<EnginePool> {
  const { modelsDir, homeDir, encoder, segmenter, device = 'cpu' } = config;
  const target = { modelsDir, homeDir, encoder, segmenter };
  const usable = device === 'auto' ? (await settleDevice({ entry: client.entry, target, ...trying })).best : device;
  const parallel = parallelismOn(usable, availableParallelism(), { engines, threads });
  return createPool(parallel.engines, { ...client, config: { ...config, threads: parallel.threads } }, usable);
}
