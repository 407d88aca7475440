/** What bench:accuracy compares: strategies with presets, without stages, with several votes and views. */
import { presetNames, presets, type StrategyId, strategies, strategyIds } from '../../src/core/strategies';
import { NOT_BESIDE_PRIOR } from '../../src/core/strategies/apMedSam/dualSpace';
import {
  type Ablation,
  DEFAULT_PARAMETERS,
  DEFAULT_VIEWS,
  NO_ABLATION,
  type StrategyParameters,
  type ViewChoice,
} from '../../src/core/strategies/strategy';

export type Stage = keyof Ablation;

export interface Variant {
  readonly name: string;
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  /** References that vote at a time. */
  readonly votes: number;
  /** The stage that is left out, and the name of the variant that has it. */
  readonly without?: { readonly stage: Stage; readonly whole: string };
}

export interface VariantChoice {
  readonly strategies: string;
  readonly preset: string | undefined;
  readonly ablation: string | undefined;
  readonly votes: string;
  readonly views: string;
}

const allStages = Object.keys(NO_ABLATION) as Stage[];

/** Those that a strategy has with the embedded models; a strategy that is not named here has none. */
const stagesOf: Partial<Record<StrategyId, readonly Stage[]>> = {
  'ap-medsam': allStages.filter((stage) => !(stage in NOT_BESIDE_PRIOR)),
  gbmseg: ['backward', 'self', 'hard', 'sparse', 'exclusive'],
};

/** Throws RangeError where there is no such strategy or stage. */
export function chosenVariants(choice: VariantChoice): Variant[] {
  const whole = choice.strategies.split(',').flatMap((name): Variant[] => {
    if (!(name in strategies)) throw new RangeError(`there is no strategy ${name}; known: ${strategyIds.join(', ')}`);
    const presetted = presetVariants(name, choice.preset);
    return presetted.length > 0
      ? presetted
      : [{ name, strategy: name as StrategyId, parameters: DEFAULT_PARAMETERS, votes: 1 }];
  });
  const stages = chosenStages(choice.ablation);
  const variants = [
    ...whole,
    ...whole.flatMap((one) =>
      stages
        .filter((stage) => stagesOf[one.strategy]?.includes(stage) ?? false)
        .map((stage) => ({
          ...one,
          name: `${one.name} without ${stage}`,
          parameters: { ...one.parameters, ablation: { ...NO_ABLATION, [stage]: false } },
          without: { stage, whole: one.name },
        })),
    ),
  ];
  const seen = choice.views
    .split(',')
    .flatMap((views) =>
      variants.map((variant) =>
        named(
          { ...variant, parameters: { ...variant.parameters, views: viewChoice(views) } },
          views === DEFAULT_VIEWS ? '' : `, ${views}`,
        ),
      ),
    );
  return choice.votes
    .split(',')
    .map(Number)
    .flatMap((votes) =>
      seen.map((variant) => named({ ...variant, votes }, votes === 1 ? '' : `, ${votes} references`)),
    );
}

const viewChoice = (text: string): ViewChoice => (/^\d+$/.test(text) ? Number(text) : (text as ViewChoice));

function chosenStages(ablation: string | undefined): readonly Stage[] {
  if (ablation === undefined) return [];
  if (ablation === 'all') return allStages;
  return ablation.split(',').map((name) => {
    if (!(name in NO_ABLATION)) throw new RangeError(`there is no stage ${name}; known: ${allStages.join(', ')}`);
    return name as Stage;
  });
}

/** With so much after its name, and after that of what it is compared with. */
const named = (variant: Variant, suffix: string): Variant => ({
  ...variant,
  name: `${variant.name}${suffix}`,
  ...(variant.without && { without: { ...variant.without, whole: `${variant.without.whole}${suffix}` } }),
});

/** A strategy with each of its presets that were asked for. */
function presetVariants(strategy: string, preset: string | undefined): Variant[] {
  const wanted = preset === 'all' ? presetNames : (preset ?? '').split(',');
  return presetNames
    .filter((name) => wanted.includes(name) && presets[name].strategy === strategy)
    .map((name) => ({
      name: `${strategy} ${name}`,
      strategy: presets[name].strategy,
      parameters: { ...DEFAULT_PARAMETERS, ...presets[name].parameters },
      votes: 1,
    }));
}
