/** What decides a run's results, as one hash: images done under the same key are done. */
import type { StrategyId } from '../../core/strategies';
import type { StrategyParameters } from '../../core/strategies/strategy';
import { sha256, sortKeys } from '../../disk/hashing';
import type { BandChoice, IntensityWindow, ModelInfo } from '../../protocol/engineApi';

export interface RunKeyParts {
  readonly classId: number;
  readonly imageHash: string;
  readonly maskHash: string;
  /** How the mask was read, where it is not plain. */
  readonly reading?: string;
  /**
   * Hashes of image and mask of each further reference that votes, and how the mask was read; missing where there is
   * none.
   */
  readonly others?: readonly (readonly string[])[];
  /** The classes that compete for the same pixels, each with its references; missing where there is none. */
  readonly competitors?: readonly CompetitorKey[];
  readonly encoder: ModelInfo;
  readonly segmenter: ModelInfo;
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  readonly window: IntensityWindow | null;
  /** Missing where the first ones are shown. */
  readonly bands?: BandChoice;
}

export type CompetitorKey = Pick<RunKeyParts, 'classId' | 'imageHash' | 'maskHash' | 'reading' | 'others'>;

export function runKeyOf({ encoder, segmenter, window, ...rest }: RunKeyParts): string {
  const models = { encoder: encoder.sha256, segmenter: segmenter.sha256 };
  return sha256(JSON.stringify(sortKeys({ ...rest, ...models, window: window && [window.low, window.high] })));
}
