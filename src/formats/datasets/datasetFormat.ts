/**
 * How labelled images leave for a trainer. One file beside this one for each format, all of them listed in `index.ts`,
 * from which the command line and its help are made. A format is pure: what it writes goes through `OutputFolder`, and
 * one image at a time, so that a folder of any length is never held.
 */
import type { LabelMap } from '../../core/pixels/labelMap';

/**
 * How a class came to be drawn in an image: by a run, by a person who accepted that or drew it, also elsewhere, or as
 * the reference that the others were labelled by.
 */
export const labelStates = ['auto', 'accepted', 'edited', 'reference'] as const;

export type LabelState = (typeof labelStates)[number];

export interface DatasetClass {
  /** 1 to 254: the value in label maps. */
  readonly id: number;
  readonly name: string;
  /** As #rrggbb. */
  readonly colour: string;
}

/** What is drawn of one class in one image. */
export interface LabelledClass {
  readonly id: number;
  readonly state: LabelState;
  /** 0 to 1; undefined where nobody judged. */
  readonly trust: number | undefined;
  /**
   * The class's single objects as COCO's uncompressed run lengths (column-major, starting with background) of the whole
   * image, which together are its pixels; empty where it was drawn as one.
   */
  readonly objects: readonly (readonly number[])[];
}

export interface LabelledPicture {
  /** Posix path of the image relative to the folder that is exported. */
  readonly name: string;
  /** Class ids per pixel of the upright image; those of `classes` and no others. */
  readonly labels: LabelMap;
  /** By id; empty where somebody has looked and nothing is there. */
  readonly classes: readonly LabelledClass[];
}

/** A folder that comes into being as a whole, or not at all. */
export interface OutputFolder {
  /** Adds text to the end of a file, a posix path relative to the folder. */
  append(file: string, text: string): Promise<void>;
}

export interface DatasetWriter {
  add(picture: LabelledPicture): Promise<void>;
  /** Called once after the last image. */
  close(): Promise<void>;
}

export interface DatasetFormat {
  /** What it writes and who reads it, in words that follow its name in help. */
  readonly summary: string;
  open(classes: readonly DatasetClass[], folder: OutputFolder): Promise<DatasetWriter>;
}
