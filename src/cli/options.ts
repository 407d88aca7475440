/** Options that several commands share, and what their values become. */
import os from 'node:os';
import { strategies, strategyIds } from '../core/strategies';
import { type Ablation, NO_ABLATION, type StrategyId, type StrategyParameters } from '../core/strategies/strategy';
import { defaultParallelism } from '../engine/pool';
import { type Arguments, type EngineSettings, type Option, UsageError } from './command';

export const jsonOption: Option = { help: 'print one JSON object per line instead of text' };

export const engineOptions: Readonly<Record<string, Option>> = {
  encoder: { value: 'id', help: 'image encoder, see "ap-medsam models list"', default: 'embedded' },
  segmenter: { value: 'id', help: 'promptable segmenter, see "ap-medsam models list"', default: 'embedded' },
  engines: { value: 'n', help: 'engine processes; default: one per core, at most 4' },
  threads: { value: 'n', help: 'threads of each engine process; default: the cores shared out among them' },
};

export const strategyOptions: Readonly<Record<string, Option>> = {
  strategy: {
    value: 'name',
    help: `how prompts and masks are made: ${strategyIds.join(' or ')}`,
    default: 'ap-medsam',
  },
  without: {
    value: 'stages',
    help: `switch stages off, separated by commas: ${Object.keys(NO_ABLATION).join(', ')}`,
  },
};

export function engineSettings(args: Arguments): EngineSettings {
  const cores = os.availableParallelism();
  const engines = args.count('engines') ?? defaultParallelism(cores).engines;
  const threads = args.count('threads') ?? Math.max(1, Math.floor(cores / engines));
  return { encoder: args.text('encoder')!, segmenter: args.text('segmenter')!, engines, threads };
}

export function strategyOf(args: Arguments): { strategy: StrategyId; parameters: StrategyParameters } {
  const strategy = args.text('strategy')!;
  if (!(strategy in strategies)) {
    throw new UsageError(`there is no strategy "${strategy}"; known: ${strategyIds.join(', ')}`);
  }
  const ablation: Record<keyof Ablation, boolean> = { ...NO_ABLATION };
  for (const stage of (args.text('without') ?? '').split(',').filter(Boolean)) {
    if (!(stage in ablation)) {
      throw new UsageError(`--without knows the stages ${Object.keys(NO_ABLATION).join(', ')}, not "${stage}"`);
    }
    ablation[stage as keyof Ablation] = false;
  }
  return { strategy: strategy as StrategyId, parameters: { ablation } };
}
