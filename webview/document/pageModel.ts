/**
 * What the page knows of the document, kept in step with the host. The host's word is final, but a person's pixels show
 * at once: paints that the host has not answered yet are taken off, and put on again, around what it tells in between.
 */

import {
  applyChange,
  boxOfChange,
  fits,
  invertChange,
  isUnchanged,
  type LabelChange,
  rebase,
} from '../../src/core/drawing/labelChange';
import { area, type Box, type Point, type Size } from '../../src/core/geometry';
import { fromLabelRuns, type LabelMap } from '../../src/core/pixels/labelMap';
import type {
  AutomaticResult,
  DisplayImage,
  DocumentFacts,
  DocumentUpdate,
  EditorState,
  PromptSession,
} from '../../src/protocol/editorApi';

/** What the model asks of the host. */
export interface ModelHost {
  paint(params: { label: string; change: LabelChange }): Promise<unknown>;
  /** The whole state again, for a page that no longer fits what it is told. */
  ready(): Promise<EditorState>;
}

interface ModelEvents {
  /** Labels inside the box (targetPx) have changed otherwise than by a stroke. */
  onPixels(box: Box): void;
  /** Anything else may have changed. */
  onFacts(): void;
  /** Everything has been replaced, the label map too. */
  onReset(): void;
  onError(error: unknown): void;
}

/** A pixel of the labels. */
export interface PixelUnder {
  /** Column and row. */
  readonly pixel: Point;
  /** 0 to 255 as in the labels. */
  readonly value: number;
}

/** A change that is shown and sent, and not answered yet. */
interface Pending {
  readonly sent: LabelChange;
  /** What it does to the labels below it, which may change until the answer comes. */
  shown: LabelChange;
  readonly answered: Promise<void>;
}

export class PageModel {
  image: DisplayImage;
  labels: LabelMap;
  automatic: AutomaticResult | null;
  session: PromptSession | null;
  facts: DocumentFacts;
  /** Pixels per value, float64 [256]. A stroke counts when it ends. */
  counts: Float64Array;
  private pending: Pending[] = [];
  private waiting: (() => void)[] = [];
  private drawing = false;
  private outOfStep = false;
  private resyncing = false;

  constructor(
    state: EditorState,
    private readonly host: ModelHost,
    private readonly events: ModelEvents,
  ) {
    this.image = state.image;
    this.labels = fromLabelRuns(state.labels);
    this.automatic = state.automatic;
    this.session = state.session;
    this.facts = state.facts;
    this.counts = countsOf(state);
  }

  /** Share of the pixels that have a value, 0 to 1. */
  shareOf(value: number): number {
    return this.counts[value] / area(this.labels.size);
  }

  /** The pixel that a point (targetPx) lies in, null outside the image. */
  pixelAt(targetPx: Point): PixelUnder | null {
    const { size, data } = this.labels;
    if (!isInside(targetPx, size)) return null;
    const pixel = { x: Math.floor(targetPx.x), y: Math.floor(targetPx.y) };
    return { pixel, value: data[pixel.y * size.width + pixel.x] };
  }

  /** From now on somebody writes into `labels`: what the host tells waits until the stroke has ended. */
  startStroke(): void {
    this.drawing = true;
  }

  /** The change stands in `labels` already: sends it, after what has waited. */
  endStroke(label: string, change: LabelChange): void {
    this.drawing = false;
    let exact = change;
    if (this.waiting.length > 0) {
      // The host has had these first, so the stroke lies on top of them.
      applyChange(this.labels, invertChange(change));
      this.takeWaiting();
      exact = rebase(this.labels, change);
      applyChange(this.labels, exact);
      this.tellPixels([change, exact]);
    }
    this.send(label, exact);
  }

  /** The change stands in `labels` already, but is not wanted. */
  dropStroke(change: LabelChange): void {
    this.drawing = false;
    applyChange(this.labels, invertChange(change));
    this.tellPixels([change]);
    this.takeWaiting();
  }

  /** Something drawn in one go: `write` writes into the labels and says what it has changed. */
  paint(label: string, write: (labels: LabelMap) => LabelChange): void {
    this.startStroke();
    const change = write(this.labels);
    this.endStroke(label, change);
    this.tellPixels([change]);
  }

  /** As the host's `update`. */
  update(update: DocumentUpdate): void {
    if (this.drawing) {
      this.waiting.push(() => this.update(update));
      return;
    }
    if (update.change) this.takeChange(update.change);
    this.automatic = update.automatic;
    this.session = update.session;
    this.facts = update.facts;
    this.events.onFacts();
  }

  /** As the host's `reset`. A stroke that is being drawn is lost. */
  reset(state: EditorState): void {
    const unanswered = this.pending.length > 0;
    this.drawing = false;
    this.waiting = [];
    this.pending = [];
    this.image = state.image;
    this.labels = fromLabelRuns(state.labels);
    this.automatic = state.automatic;
    this.session = state.session;
    this.facts = state.facts;
    this.counts = countsOf(state);
    this.events.onReset();
    // Whether the host has seen those paints before or after it made this state cannot be known.
    if (unanswered) this.resync();
  }

  showImage(image: DisplayImage): void {
    this.image = image;
    this.events.onFacts();
  }

  showFacts(facts: DocumentFacts): void {
    if (this.drawing) {
      // Else an update that waits would bring older facts back.
      this.waiting.push(() => this.showFacts(facts));
      return;
    }
    this.facts = facts;
    this.events.onFacts();
  }

  private send(label: string, change: LabelChange): void {
    if (isUnchanged(change)) return;
    this.count(change);
    const entry: Pending = {
      sent: change,
      shown: change,
      answered: this.host
        .paint({ label, change })
        .then(
          () => undefined,
          (error: unknown) => {
            this.events.onError(error);
            this.resync();
          },
        )
        .then(() => this.forget(entry)),
    };
    this.pending.push(entry);
    this.events.onFacts();
  }

  private forget(entry: Pending): void {
    // An update that waits may be older than this answer, and must still find the paint among those unanswered.
    if (this.drawing) this.waiting.push(() => this.forget(entry));
    else this.pending = this.pending.filter((other) => other !== entry);
  }

  private takeWaiting(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const take of waiting) take();
  }

  private takeChange(change: LabelChange): void {
    // What the host had not answered when it made this change, it had not seen.
    const unseen = this.pending;
    const touched = [change, ...unseen.map(({ shown }) => shown)];
    for (const { shown } of [...unseen].reverse()) this.put(invertChange(shown));
    let isInStep = fits(this.labels, change);
    if (isInStep) this.put(change);
    for (const entry of unseen) {
      entry.shown = rebase(this.labels, entry.sent);
      this.put(entry.shown);
      // Unless its answer has been overtaken on the way.
      if (isInStep || !fits(this.labels, change)) continue;
      this.put(change);
      isInStep = true;
    }
    this.tellPixels(touched);
    if (!isInStep) this.resync();
  }

  private put(change: LabelChange): void {
    applyChange(this.labels, change);
    this.count(change);
  }

  private count({ lengths, before, after }: LabelChange): void {
    for (let i = 0; i < lengths.length; i++) {
      this.counts[before[i]] -= lengths[i];
      this.counts[after[i]] += lengths[i];
    }
  }

  private tellPixels(changes: readonly LabelChange[]): void {
    for (const change of changes) {
      const box = boxOfChange(change, this.labels.size.width);
      if (box) this.events.onPixels(box);
    }
  }

  /** Asks for everything anew, once the host has answered what it was sent. */
  private resync(): void {
    this.outOfStep = true;
    if (this.resyncing) return;
    this.resyncing = true;
    void this.askUntilInStep()
      .catch((error: unknown) => this.events.onError(error))
      .finally(() => {
        this.resyncing = false;
      });
  }

  private async askUntilInStep(): Promise<void> {
    while (this.outOfStep) {
      this.outOfStep = false;
      await Promise.all(this.pending.map(({ answered }) => answered));
      this.reset(await this.host.ready());
    }
  }
}

/** Whether a point (targetPx) lies on an image of this size. */
export const isInside = ({ x, y }: Point, { width, height }: Size): boolean =>
  x >= 0 && y >= 0 && x < width && y < height;

function countsOf({ labels: { values, lengths } }: EditorState): Float64Array {
  const counts = new Float64Array(256);
  for (let run = 0; run < values.length; run++) counts[values[run]] += lengths[run];
  return counts;
}
