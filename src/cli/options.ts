/** Options that several commands share, and what their values become. */
import os from 'node:os';
import { strategies, strategyIds } from '../core/strategies';
import { NO_ABLATION, type StrategyId, type StrategyParameters } from '../core/strategies/strategy';
import { defaultParallelism } from '../engine/pool';
import { type Arguments, type EngineSettings, type Option, UsageError } from './command';

export const jsonOption: Option = { help: 'print one JSON object per line instead of text' };

export const engineOptions: Readonly<Record<string, Option>> = {
  encoder: {
    value: 'id',
    help: 'image encoder, see "ap-medsam models list"; default: embedded, or what the project says',
  },
  segmenter: { value: 'id', help: 'promptable segmenter; default: embedded, or what the project says' },
  engines: { value: 'n', help: 'engine processes; default: one per core, at most 4' },
  threads: { value: 'n', help: 'threads of each engine process; default: the cores shared out among them' },
};

export const strategyOptions: Readonly<Record<string, Option>> = {
  strategy: {
    value: 'name',
    help: `how prompts and masks are made: ${strategyIds.join(' or ')}; default: ap-medsam, or what the project says`,
  },
  without: {
    value: 'stages',
    help: `switch stages off, separated by commas: ${Object.keys(NO_ABLATION).join(', ')}`,
  },
};

/** Engine processes and their threads, as asked for or as the machine has cores. */
export function parallelism(args: Arguments): Pick<EngineSettings, 'engines' | 'threads'> {
  const cores = os.availableParallelism();
  const engines = args.count('engines') ?? defaultParallelism(cores).engines;
  return { engines, threads: args.count('threads') ?? Math.max(1, Math.floor(cores / engines)) };
}

/** Strategy and parameters, each undefined where the command line does not say. */
export function chosenStrategy(args: Arguments): {
  strategy: StrategyId | undefined;
  parameters: StrategyParameters | undefined;
} {
  const strategy = args.text('strategy');
  if (strategy !== undefined && !Object.hasOwn(strategies, strategy)) {
    throw new UsageError(`there is no strategy "${strategy}"; known: ${strategyIds.join(', ')}`);
  }
  const without = args.text('without')?.split(',').filter(Boolean);
  const unknown = without?.find((stage) => !Object.hasOwn(NO_ABLATION, stage));
  if (unknown !== undefined) {
    throw new UsageError(`--without knows the stages ${Object.keys(NO_ABLATION).join(', ')}, not "${unknown}"`);
  }
  const ablation = without && { ...NO_ABLATION, ...Object.fromEntries(without.map((stage) => [stage, false])) };
  return { strategy: strategy as StrategyId | undefined, parameters: ablation && { ablation } };
}
