/** Named settings of the strategies that have some, the default first; a name says the strategy as well. */
import { CLUSTER_DEFAULTS, MATCHER_DEFAULTS, type StrategyId, type StrategyParameters } from './strategy';

export interface Preset {
  readonly strategy: StrategyId;
  readonly parameters: Omit<StrategyParameters, 'ablation'>;
}

const matcher = (preset: (typeof MATCHER_DEFAULTS)['preset']): Preset => ({
  strategy: 'matcher',
  parameters: { matcher: { ...MATCHER_DEFAULTS, preset } },
});

const cluster = (preset: (typeof CLUSTER_DEFAULTS)['preset']): Preset => ({
  strategy: 'cluster',
  parameters: { cluster: { ...CLUSTER_DEFAULTS, preset } },
});

export const presets: Readonly<Record<string, Preset>> = {
  object: matcher('object'),
  semantic: matcher('semantic'),
  part: matcher('part'),
  regions: cluster('regions'),
  prompt: cluster('prompt'),
};

export const presetNames = Object.keys(presets);
