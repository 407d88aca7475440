/** The strategies by name. */
import { apMedSam } from './apMedSam';
import { gbmseg } from './gbmseg';
import type { Strategy, StrategyId } from './strategy';

export const strategies: Readonly<Record<StrategyId, Strategy>> = { 'ap-medsam': apMedSam, gbmseg };

export const strategyIds = Object.keys(strategies) as StrategyId[];
