/** What a folder costs a person, by a stated model of clicks and accepts. Pure. */

/** The model. Chosen, not measured: seconds that a practised person takes who looks at one image after the other. */
export const ACCEPT_SECONDS = 2;
export const CLICK_SECONDS = 3;

/** From this Dice on a person accepts, and after so many clicks whatever there is. */
export const GOOD_DICE = 0.9;
export const MOST_CLICKS = 10;

export interface PersonsWork {
  readonly clicks: number;
  readonly seconds: number;
  /** Of the mask that is accepted. */
  readonly dice: number;
}

/**
 * One image.
 *
 * @param dices of the mask that is there at first, and after each click as far as it was clicked
 */
export function workOn(dices: readonly number[]): PersonsWork {
  const good = dices.findIndex((dice) => dice >= GOOD_DICE);
  const last = Math.min(dices.length - 1, MOST_CLICKS);
  const clicks = good < 0 ? last : Math.min(good, last);
  return { clicks, seconds: ACCEPT_SECONDS + clicks * CLICK_SECONDS, dice: dices[clicks] };
}

/** Minutes per 100 images that each take so long. */
export const minutesPer100 = (seconds: number): number => (100 * seconds) / 60;
