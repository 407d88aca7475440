/** Edits of an open image: refused where nothing may be changed, and noted whose the pixels of each class then are. */
import type { LabelChange } from '../../core/drawing/labelChange';
import { Outcome } from '../../core/userError';
import { type ClassOrigin, classesIn, type DocumentState, type Edit, type LabelDocument } from './labelDocument';

export class Edits {
  /**
   * @param whyNot why nothing may be changed, or null
   * @param onEdit reports an edit for the undo stack
   */
  constructor(
    private readonly document: LabelDocument,
    private readonly whyNot: () => string | null,
    private readonly onEdit: (edit: Edit) => void,
  ) {}

  /** Throws Outcome where nothing may be changed. */
  checkWritable(): void {
    const reason = this.whyNot();
    if (reason !== null) throw new Outcome(reason);
  }

  /** An edit of a person unless its state says otherwise. Says whether the change was made from old labels. */
  make(label: string, change: LabelChange, state: Partial<DocumentState>): boolean {
    const origins = this.originsWith([...classesIn(change)], { by: 'person' });
    const { edit, stale } = this.document.edit(label, change, { origins, ...state });
    this.onEdit(edit);
    return stale;
  }

  /** Whose the classes are, once these are of another origin. */
  originsWith(classes: readonly number[], origin: ClassOrigin): ReadonlyMap<number, ClassOrigin> {
    return new Map([...this.document.state.origins, ...classes.map((id) => [id, origin] as const)]);
  }
}
