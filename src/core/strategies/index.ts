/** The strategies by name. */
import { apMedSam } from './apMedSam/apMedSam';
import { cluster } from './cluster/cluster';
import { gbmseg } from './gbmseg/gbmseg';
import { matcherStrategy } from './matcher/matcherStrategy';
import type { Strategy, StrategyId } from './strategy';

export const strategies: Readonly<Record<StrategyId, Strategy>> = {
  'ap-medsam': apMedSam,
  gbmseg,
  matcher: matcherStrategy,
  cluster,
};

/** How many references of a class vote in a run: of any name, one for what is no strategy. */
export const mostReferences = (strategy: string): number =>
  (Object.hasOwn(strategies, strategy) && strategies[strategy as StrategyId].mostReferences) || 1;

export const strategyIds = Object.keys(strategies) as StrategyId[];

/** The strategies whose masks carry a trust. */
export const judging = strategyIds.filter((id) => strategies[id].judges);
