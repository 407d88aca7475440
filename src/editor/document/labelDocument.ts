/**
 * Labels and prompts of one image with their edits, apart from files, engine and VS Code. An edit is a value: pixels
 * before and after as changed runs, prompts before and after. VS Code keeps the stack; undo and redo never infer
 * anything.
 */
import { applyChange, fits, invertChange, isUnchanged, type LabelChange, rebase } from '../../core/drawing/labelChange';
import { IGNORE, type LabelMap } from '../../core/pixels/labelMap';
import type { FloatMap } from '../../core/pixels/raster';
import type { JournalEntry } from '../../dataset/journal/journalView';
import type { TeachingMasks } from '../../dataset/project/reviewedMasks';
import type { AutomaticResult, PromptSession } from '../../protocol/editorApi';
import type { SegmentResult } from '../../protocol/engineApi';
import type { PromptRound } from './promptRounds';

/** A prompt session with what only the host needs. */
export interface HostSession extends PromptSession {
  /** That of Segment Image, which goes with the first question; answers take its place. */
  readonly maskPrompt?: FloatMap;
  /** That goes with it: what Segment Image added to the answer. Later answers hold it already. */
  readonly answerPrior?: FloatMap;
  /** The questions that led to this one, oldest first: each has all prompts of those before it. */
  readonly rounds?: readonly PromptRound[];
}

/** Who made the pixels of a class as they are now. */
export type ClassOrigin =
  | { readonly by: 'person' }
  | {
      readonly by: 'run';
      /** Key of the run that gives the same result. */
      readonly run: string;
      readonly result: SegmentResult;
      /** The reviewed masks that taught it, if any. */
      readonly teaching?: TeachingMasks;
    }
  | {
      /** They are again what they were when the journal said this of them. */
      readonly by: 'before';
      readonly entry: JournalEntry;
    };

/** All of a document but its pixels. */
export interface DocumentState {
  readonly session: HostSession | null;
  readonly automatic: AutomaticResult | null;
  /** Of the classes that were changed since the mask was read; others are as they were on disk. */
  readonly origins: ReadonlyMap<number, ClassOrigin>;
}

/** All that is kept of unsaved work. */
export interface Work {
  readonly labels: LabelMap;
  readonly state: DocumentState;
  readonly classId: number;
  /** SHA-256 of the mask file that the work stands on, null where there was none. */
  readonly maskHash: string | null;
}

const BLANK_STATE: DocumentState = { session: null, automatic: null, origins: new Map() };

export interface Edit {
  /** For the Edit menu: "Brush Stroke". */
  readonly label: string;
  readonly change: LabelChange;
  readonly before: DocumentState;
  readonly after: DocumentState;
  /** What the journal said of classes whose pixels were as on disk when the edit was made. */
  readonly standing: ReadonlyMap<number, JournalEntry>;
}

/** Called after each change of the document; `change` fits the labels as they were before. */
type ChangeListener = (change: LabelChange | null) => void;

export class LabelDocument {
  private current: DocumentState;
  /** Edits since the mask was read, less those undone; compared with `savedAt` it tells unsaved work. */
  private position = 0;
  /** Undefined where no undo leads back to what was saved. */
  private savedAt: number | undefined;
  /** What the journal says of the classes as they are on disk, as far as that is known. */
  standing: ReadonlyMap<number, JournalEntry> = new Map();

  /**
   * @param labels owned by the document from now on
   * @param restored state of a backup, whose edits are not on disk
   */
  constructor(
    public labels: LabelMap,
    private readonly onChange: ChangeListener,
    restored?: DocumentState,
  ) {
    this.current = restored ?? BLANK_STATE;
    this.savedAt = restored ? undefined : 0;
  }

  get state(): DocumentState {
    return this.current;
  }

  /** Whether there is work that is not on disk. */
  get dirty(): boolean {
    return this.position !== this.savedAt;
  }

  /**
   * Makes an edit of a change and a new state and applies it. A change that was made from older labels is brought up to
   * date; `stale` says so.
   */
  edit(label: string, change: LabelChange, state: Partial<DocumentState>): { edit: Edit; stale: boolean } {
    const stale = !fits(this.labels, change);
    const upToDate = stale ? rebase(this.labels, change) : change;
    const { current: before, standing } = this;
    const edit = { label, change: upToDate, before, after: { ...before, ...state }, standing };
    // What was saved and then undone can no longer be reached.
    if (this.savedAt !== undefined && this.position < this.savedAt) this.savedAt = undefined;
    this.position++;
    this.put(upToDate, edit.after);
    return { edit, stale };
  }

  /**
   * Takes an edit back; false where the pixels are no longer those that it left, because the mask was replaced since.
   */
  undo(edit: Edit): boolean {
    const change = invertChange(edit.change);
    this.position--;
    if (!fits(this.labels, change)) return false;
    this.put(change, this.moved(edit, edit.before));
    return true;
  }

  /** Applies an edit that was undone; false as for `undo`. */
  redo(edit: Edit): boolean {
    this.position++;
    if (!fits(this.labels, edit.change)) return false;
    this.put(edit.change, this.moved(edit, edit.after));
    return true;
  }

  /** Changes what is no work of anybody's: an ended session, for example. Not an edit. */
  setState(state: Partial<DocumentState>): void {
    this.put(null, { ...this.current, ...state });
  }

  /**
   * Remembers the labels as they are now; the answer is called when they are on disk, whatever was edited meanwhile.
   */
  checkpoint(): () => void {
    const { position } = this;
    return () => {
      this.savedAt = position;
      this.standing = new Map();
      if (!this.dirty) this.current = { ...this.current, origins: new Map() };
    };
  }

  /** Replaces everything by what is on disk. */
  replace(labels: LabelMap): void {
    this.labels = labels;
    this.current = BLANK_STATE;
    this.savedAt = this.position;
  }

  /**
   * The state after undo or redo. What stands below the saved edit differs from the disk, and is again whose it was: an
   * accepted mask that is brought back is accepted. Where nothing was said of it, going back is a person's decision.
   */
  private moved({ change, standing }: Edit, state: DocumentState): DocumentState {
    if (!this.dirty) return { ...state, origins: new Map() };
    if (this.savedAt !== undefined && this.position > this.savedAt) return state;
    const origins = new Map(this.current.origins);
    for (const classId of classesIn(change)) {
      const entry = standing.get(classId);
      const origin: ClassOrigin = entry ? { by: 'before', entry } : { by: 'person' };
      origins.set(classId, state.origins.get(classId) ?? origin);
    }
    return { ...state, origins };
  }

  private put(change: LabelChange | null, state: DocumentState): void {
    if (change) applyChange(this.labels, change);
    this.current = state;
    this.onChange(change && !isUnchanged(change) ? change : null);
  }
}

/** Classes that lose or gain pixels by a change. */
export function classesIn({ before, after }: LabelChange): Set<number> {
  const classes = new Set<number>([...before, ...after]);
  classes.delete(0);
  classes.delete(IGNORE);
  return classes;
}
