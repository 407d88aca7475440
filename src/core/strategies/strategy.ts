/** What every strategy takes and gives. */

export type StrategyId = 'ap-medsam' | 'gbmseg';

/** The five switches of the ablation table; all on by default. */
export interface Ablation {
  readonly backward: boolean;
  readonly self: boolean;
  readonly hard: boolean;
  readonly sparse: boolean;
  readonly exclusive: boolean;
}

export interface StrategyParameters {
  readonly ablation: Ablation;
}
