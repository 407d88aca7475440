/** Options that several commands share, and what their values become. */
import type { MaskManner } from '../core/maskFiles/maskReading';
import { MOST_PARTS } from '../core/prompting/tiles';
import {
  judging,
  type Preset,
  presetNames,
  presets,
  type StrategyId,
  strategies,
  strategyIds,
} from '../core/strategies';
import {
  DEFAULT_MIN_TRUST,
  NO_ABLATION,
  type ScaleChoice,
  type StrategyParameters,
  type ViewChoice,
} from '../core/strategies/strategy';
import { deviceChoices, deviceOfEnvironment, isDeviceChoice } from '../devices/devices';
import type { DeviceChoice } from '../protocol/deviceApi';
import type { BandChoice } from '../protocol/engineApi';
import { type Arguments, type EngineSettings, type Option, UsageError } from './command';

export const jsonOption: Option = { help: 'print one JSON object per line instead of text' };

export const maskValueOption: Option = {
  value: 'n|all',
  help: 'which values of the mask are the object, where that cannot be told: one value, or all but 0 and "ignore"',
};

/** What a person says of the values of a mask; UsageError for anything but a value and "all". */
export function maskManner(args: Arguments): MaskManner | undefined {
  const given = args.text('mask-value');
  if (given === undefined) return undefined;
  if (given === 'all') return 'instances';
  if (/^\d+$/.test(given)) return `value ${Number(given)}`;
  throw new UsageError(`--mask-value should be a value such as 1, or all, got "${given}"`);
}

export const engineOptions: Readonly<Record<string, Option>> = {
  encoder: {
    value: 'id',
    help: 'image encoder, see "ap-medsam models list"; default: embedded, or what the project says',
  },
  segmenter: { value: 'id', help: 'promptable segmenter; default: embedded, or what the project says' },
  device: {
    value: 'name',
    help: `what the models run on: ${deviceChoices.join(', ')}; auto takes the fastest one that gives what the CPU gives, see "ap-medsam devices"; default: AP_MEDSAM_DEVICE, or auto`,
  },
  engines: { value: 'n', help: 'engine processes; default: one per core, at most 4; one on a GPU' },
  threads: { value: 'n', help: 'threads of each engine process; default: the cores shared out among them' },
  'image-timeout': {
    value: 'seconds',
    help: 'longest time that the work on one image may take; then it fails, and the others go on. Waiting for other images, opening models and preparing references do not count; 0: no limit',
    default: '120',
  },
  verbose: { help: 'say of each model where it runs and what memory it takes' },
};

export const strategyOptions: Readonly<Record<string, Option>> = {
  strategy: {
    value: 'name',
    help: `how prompts and masks are made: ${strategyIds.join(', ')}; default: ap-medsam, or what the project says`,
  },
  preset: {
    value: 'name',
    help: `settings of a strategy: ${presetHelp()}; default: the first, or what the project says`,
  },
  without: {
    value: 'stages',
    help: `switch stages off, separated by commas: ${Object.keys(NO_ABLATION).join(', ')}`,
  },
  views: {
    value: 'name',
    help: `how strategy ap-medsam looks at images: fast (as a whole, or in the parts in which the reference finds itself again clearly better), thorough (in several ways, averaged: up to 14 times the work), whole, or in 2 to ${MOST_PARTS} parts along the short side; default: fast, or what the project says`,
  },
  scale: {
    value: 'how',
    help: 'what images much larger than the reference show (strategy ap-medsam): same, more at the same scale, seen in as many parts as that takes; fit, the same larger, seen as the reference is; auto, whichever looks more like the reference; default: auto, or what the project says',
  },
  'min-trust': {
    value: 'x',
    help: `call an image "probably absent" and write no mask where trust is below x, 0 to 1, 0 for never; default: ${DEFAULT_MIN_TRUST} with the embedded models, else 0, or what the project says`,
  },
};

export const bandsOption: Option = {
  value: 'r,g,b',
  help: 'bands shown as red, green and blue, counted from 1, of images that have more or others, such as 4,3,2; stored in the project; default: 1,2,3, or what the project says',
};

export function chosenBands(args: Arguments): BandChoice | undefined {
  const text = args.text('bands');
  if (text === undefined) return undefined;
  const [red, green, blue] = (/^(\d{1,4}),(\d{1,4}),(\d{1,4})$/.exec(text) ?? []).slice(1).map(Number);
  if (red >= 1 && green >= 1 && blue >= 1) return [red, green, blue];
  throw new UsageError(`--bands should be three bands counted from 1, such as 4,3,2, got "${text}"`);
}

/** How engines are to run, as far as the command line says. */
export function engineSettings(args: Arguments): Omit<EngineSettings, 'encoder' | 'segmenter'> {
  return {
    engines: args.count('engines'),
    threads: args.count('threads'),
    device: chosenDevice(args),
    imageSeconds: secondsOf('image-timeout', args.text('image-timeout')!),
    verbose: args.flag('verbose'),
  };
}

function secondsOf(name: string, text: string): number {
  const seconds = Number(text);
  // Number('') is 0.
  if (text.trim() !== '' && seconds >= 0 && Number.isFinite(seconds)) return seconds;
  throw new UsageError(`--${name} should be a number of seconds, 0 or more, got "${text}"`);
}

function chosenDevice(args: Arguments): DeviceChoice {
  const device = args.text('device') ?? deviceOfEnvironment() ?? 'auto';
  if (isDeviceChoice(device)) return device;
  throw new UsageError(`--device should be one of ${deviceChoices.join(', ')}, got "${device}"`);
}

/** Strategy and parameters, as far as the command line says. */
export function chosenStrategy(args: Arguments): {
  strategy: StrategyId | undefined;
  parameters: Partial<StrategyParameters>;
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
  const preset = chosenPreset(args.text('preset'), strategy);
  const ablation = without && { ...NO_ABLATION, ...Object.fromEntries(without.map((stage) => [stage, false])) };
  const minTrust = minTrustOf(args.text('min-trust'));
  const views = viewsOf(args.text('views'));
  const scale = scaleOf(args.text('scale'));
  const chosen = preset?.strategy ?? (strategy as StrategyId | undefined);
  if (minTrust && chosen !== undefined && !judging.includes(chosen)) {
    throw new UsageError(`--min-trust needs masks with a trust, which only ${judging.join(', ')} gives, not ${chosen}`);
  }
  return {
    strategy: chosen,
    parameters: {
      ...(ablation && { ablation }),
      ...preset?.parameters,
      ...(minTrust !== undefined && { minTrust }),
      ...(views !== undefined && { views }),
      ...(scale !== undefined && { scale }),
    },
  };
}

function viewsOf(text: string | undefined): ViewChoice | undefined {
  if (text === undefined || text === 'fast' || text === 'thorough' || text === 'whole') return text;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 2 && number <= MOST_PARTS) return number;
  throw new UsageError(
    `--views should be fast, thorough, whole or a whole number from 2 to ${MOST_PARTS}, got "${text}"`,
  );
}

function scaleOf(text: string | undefined): ScaleChoice | undefined {
  if (text === undefined || text === 'auto' || text === 'same' || text === 'fit') return text;
  throw new UsageError(`--scale should be auto, same or fit, got "${text}"`);
}

function minTrustOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  // Number('') is 0.
  if (text.trim() !== '' && number >= 0 && number <= 1) return number;
  throw new UsageError(`--min-trust should be a number from 0 to 1, got "${text}"`);
}

/** A preset says its strategy, which `--strategy` may repeat but not contradict. */
function chosenPreset(name: string | undefined, strategy: string | undefined): Preset | undefined {
  if (name === undefined) return undefined;
  if (!Object.hasOwn(presets, name)) {
    throw new UsageError(`there is no preset "${name}"; known: ${presetNames.join(', ')}`);
  }
  const preset = presets[name];
  if (strategy === undefined || strategy === preset.strategy) return preset;
  throw new UsageError(`the preset "${name}" is one of strategy ${preset.strategy}, not of ${strategy}`);
}

/** "object, semantic or part of matcher, ..." */
function presetHelp(): string {
  const of = (strategy: string) => presetNames.filter((name) => presets[name].strategy === strategy);
  return [...new Set(Object.values(presets).map(({ strategy }) => strategy))]
    .map((strategy) => `${of(strategy).join(', ')} (${strategy})`)
    .join('; ');
}
