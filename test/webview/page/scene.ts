/** What the page is opened with, as it crosses from Node to the browser. */
import type { DisplayImage, DocumentFacts } from '../../../src/protocol/editorApi';

export interface Scene {
  readonly image: DisplayImage;
  /** `LabelRuns` with plain arrays. */
  readonly labels: { readonly values: readonly number[]; readonly lengths: readonly number[] };
  readonly facts: DocumentFacts;
  /** A result of Segment Image that fits the labels is made up. */
  readonly automatic: boolean;
  /** Milliseconds that the segmenter takes. */
  readonly answerAfter: number;
}

/** A call of the page, with its typed arrays as plain ones. */
export interface HostCall {
  readonly method: string;
  readonly params: unknown;
}

/** How a page is laid out. */
export interface Layout {
  /** One sentence for each control that is covered, cut off, or lies over another one. */
  readonly faults: readonly string[];
  /** Of the picture, in CSS pixels, and the share of it that nothing covers. */
  readonly picture: { readonly width: number; readonly height: number; readonly free: number };
}
