/**
 * What a prompt session has been answered so far. With segmenters that were trained for it, the last answer goes with
 * the next question as its mask prompt (SAM, Kirillov et al. 2023; RITM, Sofiiuk et al. 2021): what was right stays,
 * the new prompt corrects it.
 */
import type { Box } from '../../core/geometry';
import type { FloatMap } from '../../core/pixels/raster';
import type { PointPrompt } from '../../core/prompting/segmenter';
import type { PromptsEdit } from '../../protocol/editorApi';

/** A question and the logits that it was answered with. */
export interface PromptRound extends PromptsEdit {
  readonly logits: FloatMap;
}

/**
 * The rounds, oldest first, whose prompts are all part of a new question. An answer to a point that was moved, turned
 * or removed since, or to another box, would defend what the person has just taken back.
 */
export const standingRounds = (rounds: readonly PromptRound[], { points, box }: PromptsEdit): PromptRound[] =>
  rounds.filter(
    (round) =>
      (round.box === null || (box !== null && sameBox(round.box, box))) &&
      round.points.every((one) => points.some((other) => samePoint(one, other))),
  );

const samePoint = (a: PointPrompt, b: PointPrompt): boolean =>
  a.label === b.label && a.point.x === b.point.x && a.point.y === b.point.y;

const sameBox = (a: Box, b: Box): boolean =>
  a.left === b.left && a.top === b.top && a.right === b.right && a.bottom === b.bottom;
