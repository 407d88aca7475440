/**
 * The prompts that a person works on: those the host has, with what was asked since and what is being dragged. Every
 * method that changes them asks the segmenter anew.
 */
import type { Box, Point } from '../../src/core/geometry';
import type { PointPrompt } from '../../src/core/prompting/segmenter';
import type { AutomaticResult, PromptSession, PromptsEdit } from '../../src/protocol/editorApi';
import type { PromptHit } from '../canvas/promptMarkers';
import type { PageModel } from './pageModel';
import type { PromptQueue } from './promptQueue';

/** A prompt on screen as one of those that are worked on. */
export interface Touched {
  readonly prompts: PromptsEdit;
  /** Which of the points it is. */
  readonly index: number;
  /** It is an automatic one that is not worked on yet. */
  readonly isNew: boolean;
  /** It is an automatic one that was not kept. */
  readonly isRejected: boolean;
}

const NOTHING: PromptsEdit = { points: [], box: null };

export class PromptDesk {
  /** Index of the point that was touched last, undefined where none was, or another tool was chosen since. */
  selected: number | undefined;
  private preview: PromptsEdit | null = null;

  constructor(
    private readonly model: PageModel,
    private readonly queue: PromptQueue,
    /** What `shown` gives may have changed. */
    private readonly onChange: () => void,
  ) {}

  /** As they will be once all questions are answered. */
  get prompts(): PromptsEdit {
    return this.queue.wanted ?? this.model.session ?? NOTHING;
  }

  /** Whether there is, or soon will be, a session to finish or to discard. */
  get isActive(): boolean {
    const { points, box } = this.prompts;
    return points.length > 0 || box !== null;
  }

  /** The session as it is to be drawn, null for none. */
  get shown(): PromptSession | null {
    const { model } = this;
    const prompts = this.preview ?? this.queue.wanted;
    if (!prompts) return model.session;
    if (prompts.points.length === 0 && !prompts.box) return null;
    const { size, data } = model.labels;
    const begun: PromptSession = model.session ?? {
      classId: model.facts.classId,
      points: [],
      box: null,
      origin: 'person',
      base: { size, runs: Uint32Array.of(data.length) },
      iouPrediction: null,
    };
    return { ...begun, points: prompts.points, box: prompts.box };
  }

  add(prompt: PointPrompt, since: number): void {
    const { points, box } = this.prompts;
    this.ask(
      prompt.label === 1 ? 'Add Positive Point' : 'Add Negative Point',
      { points: [...points, prompt], box },
      since,
    );
  }

  remove(index: number, since: number): void {
    if (index in this.prompts.points) this.ask('Delete Point', withoutPoint(this.prompts, index), since);
  }

  /** What a prompt on screen would be among those that are worked on; null where it cannot be one of them. */
  touch(hit: PromptHit): Touched | null {
    const { automatic, facts } = this.model;
    const { prompts } = this;
    if (hit.kind === 'session') {
      return hit.index in prompts.points ? { prompts, index: hit.index, isNew: false, isRejected: false } : null;
    }
    if (!automatic || automatic.classId !== facts.classId) return null;
    const candidate = automatic.candidates[hit.index];
    if (!candidate) return null;
    const { point, label, reason } = candidate;
    const isRejected = reason !== 'kept';
    if (this.isActive) {
      const points = [...prompts.points, { point, label }];
      return { prompts: { points, box: prompts.box }, index: points.length - 1, isNew: true, isRejected };
    }
    return { ...adoptCandidate(automatic, hit.index, facts.capabilities?.wholeClass ?? true), isNew: true, isRejected };
  }

  /** Takes away the prompt that was hit, else the point that was touched last; says whether there was one. */
  removeAt(hit: PromptHit | null, since: number): boolean {
    return this.removeTouched(hit && this.touch(hit), since) || this.removeSelected(since);
  }

  /** Takes away a prompt on screen, and says whether it was one to take away. */
  removeTouched(touched: Touched | null, since: number): boolean {
    if (!touched || touched.isRejected) return false;
    this.selected = undefined;
    this.ask('Delete Point', withoutPoint(touched.prompts, touched.index), since);
    return true;
  }

  /** Takes away the point that was touched last, and says whether there was one. */
  removeSelected(since: number): boolean {
    const { selected } = this;
    if (selected === undefined || !(selected in this.prompts.points)) return false;
    this.selected = undefined;
    this.remove(selected, since);
    return true;
  }

  /** Positive becomes negative, and the other way round. */
  flip(index: number, since: number): void {
    const { points, box } = this.prompts;
    const turned = ({ point, label }: PointPrompt): PointPrompt => ({ point, label: label === 1 ? 0 : 1 });
    this.ask('Flip Point', { points: points.map((prompt, i) => (i === index ? turned(prompt) : prompt)), box }, since);
  }

  setBox(box: Box | null, since: number): void {
    const { points, box: before } = this.prompts;
    if (box || before) this.ask(box ? 'Draw Box' : 'Delete Box', { points, box }, since);
  }

  /** Shows prompts that are not asked about yet, such as a point under the pointer that drags it; null: no longer. */
  show(prompts: PromptsEdit | null): void {
    this.preview = prompts;
    this.onChange();
  }

  ask(label: string, prompts: PromptsEdit, since: number): void {
    this.preview = null;
    this.queue.push({ label, prompts }, since);
  }

  /** Gives whether there is a session to finish, once the answer that is under way is part of it. */
  async settled(): Promise<boolean> {
    if (!this.isActive) return false;
    await this.queue.settled();
    return true;
  }

  /** Nobody waits for the answers any more: the session has ended. */
  forget(): void {
    this.preview = null;
    this.selected = undefined;
    this.queue.drop();
  }
}

export function movedPoint({ points, box }: PromptsEdit, index: number, point: Point): PromptsEdit {
  return { points: points.map((prompt, i) => (i === index ? { point, label: prompt.label } : prompt)), box };
}

const withoutPoint = ({ points, box }: PromptsEdit, index: number): PromptsEdit => ({
  points: points.filter((_, i) => i !== index),
  box,
});

/**
 * Prompts of a session that goes on from the automatic ones: those that were kept, with candidate `index` among them
 * whatever it was. A segmenter that answers one object at a time gets only the prompts of that candidate's instance.
 *
 * @returns also which of the points the candidate has become
 */
function adoptCandidate(
  { candidates }: AutomaticResult,
  index: number,
  wholeClass: boolean,
): { readonly prompts: PromptsEdit; readonly index: number } {
  const chosen = candidates[index];
  const adopted = candidates.filter(
    (candidate) =>
      candidate === chosen || (candidate.reason === 'kept' && (wholeClass || candidate.instance === chosen.instance)),
  );
  const points = adopted.map(({ point, label }): PointPrompt => ({ point, label }));
  return { prompts: { points, box: null }, index: adopted.indexOf(chosen) };
}
