/** The strategies by name: a new one is a line here, and everything that lists or asks about strategies knows it. */
import { apMedSam } from './apMedSam/apMedSam';
import { cluster } from './cluster/cluster';
import { gbmseg } from './gbmseg/gbmseg';
import { matcherStrategy } from './matcher/matcherStrategy';
import type { Strategy, StrategyParameters } from './strategy';

const table = {
  'ap-medsam': apMedSam,
  gbmseg,
  matcher: matcherStrategy,
  cluster,
} satisfies Record<string, Strategy>;

export type StrategyId = keyof typeof table;

export const strategies: Readonly<Record<StrategyId, Strategy>> = table;

export const strategyIds = Object.keys(strategies) as StrategyId[];

/** How many references of a class vote in a run: of any name, one for what is no strategy. */
export const mostReferences = (strategy: string): number =>
  (Object.hasOwn(strategies, strategy) && strategies[strategy as StrategyId].mostReferences) || 1;

/** The strategies whose masks carry a trust. */
export const judging = strategyIds.filter((id) => strategies[id].judges);

export interface Preset {
  readonly strategy: StrategyId;
  readonly parameters: Omit<StrategyParameters, 'ablation'>;
}

/** Named settings of the strategies that have some; a name says the strategy as well. */
export const presets: Readonly<Record<string, Preset>> = Object.fromEntries(
  strategyIds.flatMap((strategy) =>
    Object.entries(strategies[strategy].presets ?? {}).map(([name, parameters]) => [name, { strategy, parameters }]),
  ),
);

export const presetNames = Object.keys(presets);
