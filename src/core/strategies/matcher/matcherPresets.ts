/**
 * The settings that Matcher was published with (Liu et al., ICLR 2024, arXiv 2305.13310, and its released scripts for
 * COCO-20i and LVIS-92i, FSS-1000 and PASCAL-Part), and what they shrink to for a segmenter that answers whole classes.
 */

import type { MatcherPreset } from '../strategy';
import type { SelectionRules } from './maskScores';
import type { SiftingRules } from './proposals';

export interface MatcherSettings {
  /**
   * Prompt sets are drawn from this many k-means centres of the matched points; from the points themselves if
   * undefined.
   */
  readonly centres?: number;
  /** Points per prompt set, and different sets of each size. */
  readonly sizes: readonly [least: number, most: number];
  readonly tries: number;
  /** Every prompt set gets the box of all matched points. */
  readonly box: boolean;
  /** Points per side of the grid that proposes masks wherever the image has them; 0 for no grid. */
  readonly gridSide: number;
  readonly sifting: SiftingRules;
  readonly selection: SelectionRules;
}

/** Of masks that are the same, one is scored. */
const IDENTICAL = 0.999;

export const MATCHER_SETTINGS: Readonly<Record<MatcherPreset, MatcherSettings>> = {
  semantic: {
    sizes: [1, 6],
    tries: 64,
    box: false,
    gridSide: 32,
    sifting: { leastIouPrediction: 0.85, leastStability: 0.9, duplicateIou: 0.65 },
    selection: {
      alpha: 1,
      beta: 0,
      exponent: 0,
      leastPurity: 0.02,
      leastCoverage: 0,
      merged: 9,
      cut: 'distance',
    },
  },
  object: {
    centres: 8,
    sizes: [4, 6],
    tries: 30,
    box: false,
    gridSide: 0,
    sifting: { leastIouPrediction: 0, leastStability: 0, duplicateIou: IDENTICAL },
    selection: {
      alpha: 0.8,
      beta: 0.2,
      exponent: 1,
      leastPurity: 0,
      leastCoverage: 0,
      merged: 10,
      cut: 'share',
    },
  },
  part: {
    sizes: [3, 6],
    tries: 128,
    box: true,
    gridSide: 0,
    sifting: { leastIouPrediction: 0, leastStability: 0, duplicateIou: IDENTICAL },
    selection: {
      alpha: 0.5,
      beta: 0.5,
      exponent: 0,
      leastPurity: 0,
      leastCoverage: 0.3,
      merged: 5,
      cut: 'share',
    },
  },
};

/**
 * Prompt sets of each size for a segmenter that answers whole classes, whose answers to subsets of points differ less.
 * The published 30 of the object setting give 0.762 instead of 0.753 mean Dice (24 images of six sets) for eight times
 * the calls.
 */
const WHOLE_CLASS_TRIES = 4;

/**
 * For such a segmenter one point of the grid asks for everything that looks like it, so few points ask for all there
 * is.
 */
const WHOLE_CLASS_GRID_SIDE = 4;

/** The settings for a segmenter that answers whole classes: the same with fewer prompt sets. */
export function wholeClassSettings(settings: MatcherSettings): MatcherSettings {
  const { tries, gridSide } = settings;
  return {
    ...settings,
    tries: Math.min(tries, WHOLE_CLASS_TRIES),
    gridSide: Math.min(gridSide, WHOLE_CLASS_GRID_SIDE),
  };
}
