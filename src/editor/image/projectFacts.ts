/** What project and journal say of an open image, and which of the project's classes is worked on in it. */
import { basename } from 'node:path';
import { mostReferences } from '../../core/strategies';
import type { JournalEntry } from '../../dataset/journal/journalView';
import { DEFAULT_CLASS } from '../../dataset/project/classes';
import { type Project, resolveStored } from '../../dataset/project/project';
import { nameForm } from '../../disk/nameForms';
import type { AutomaticResult, ClassInfo, DocumentFacts } from '../../protocol/editorApi';
import type { Shown } from '../../protocol/engineApi';
import type { LabelDocument } from '../document/labelDocument';
import { firstClass, type ImagePlace, viewOf } from './imageFiles';
import { recordedResult } from './recorded';

export class ProjectFacts {
  private entryNow: JournalEntry | undefined;
  /** What the journal has of the automatic result on disk. */
  private recorded: AutomaticResult | null = null;
  /** Class, mask and journal line that this was read for. */
  private recordedAbout = '';

  /**
   * @param document told what the journal says of its classes
   * @param maskHash of the mask file that the document stands on
   * @param project as it is now; `refresh` reads it anew
   * @param selected id of the class to begin with
   */
  constructor(
    private readonly place: ImagePlace,
    private readonly document: LabelDocument,
    private readonly maskHash: () => string | null,
    private project: Project,
    private selected = firstClass(project),
  ) {}

  get classId(): number {
    return this.selected;
  }

  get classes(): readonly ClassInfo[] {
    return this.project.classes.length > 0 ? this.project.classes.map(plainClass) : [DEFAULT_CLASS];
  }

  /** The selected class. */
  get selectedClass(): ClassInfo {
    return this.classes.find(({ id }) => id === this.selected)!;
  }

  /** What the journal says of the selected class. */
  get entry(): JournalEntry | undefined {
    return this.entryNow;
  }

  /** How the models see images: with the bands and through the window of the folder, whatever is shown. */
  get encoderView(): Shown {
    return viewOf(this.project);
  }

  /** The automatic result that the class comes from, as long as nobody has changed it. */
  get automatic(): AutomaticResult | null {
    const { automatic, origins } = this.document.state;
    return automatic ?? (origins.get(this.selected)?.by === 'person' ? null : this.recorded);
  }

  get facts(): Pick<
    DocumentFacts,
    'classes' | 'classId' | 'status' | 'failure' | 'isReference' | 'reference' | 'voters'
  > {
    const { project, selected: classId, entry, place } = this;
    const references = project.references.filter((reference) => reference.class === classId);
    const isOwn = ({ image }: { readonly image: string }) =>
      nameForm(resolveStored(place.root.root, image)) === nameForm(place.path);
    return {
      classes: this.classes,
      classId,
      status: entry?.status ?? null,
      failure: entry?.status === 'failed' ? entry.error : null,
      isReference: references.some(isOwn),
      reference: references.length > 0 ? basename(references[0].image) : null,
      voters: Math.max(0, Math.min(references.length, mostReferences(project.strategy)) - 1),
    };
  }

  /** Throws RangeError where there is no such class. */
  select(classId: number): void {
    if (!this.classes.some(({ id }) => id === classId)) throw new RangeError(`there is no class ${classId}`);
    this.selected = classId;
  }

  /** Reads project and journal anew; gives whether the automatic result on disk is another than before. */
  async refresh(): Promise<boolean> {
    const { root, image } = this.place;
    this.project = await root.project();
    if (!this.classes.some(({ id }) => id === this.selected)) this.selected = firstClass(this.project);
    const journal = await root.journal();
    const { selected: classId, recorded } = this;
    const maskHash = this.maskHash();
    this.entryNow = journal.entry(image, classId);
    this.document.standing = new Map(
      this.classes.flatMap(({ id }) => {
        const entry = journal.entry(image, id);
        return entry && entry.status !== 'failed' ? [[id, entry] as const] : [];
      }),
    );
    const about = JSON.stringify([classId, maskHash, this.entryNow?.time]);
    if (about !== this.recordedAbout) {
      this.recordedAbout = about;
      this.recorded = await recordedResult(journal, image, classId, maskHash);
    }
    return this.recorded !== recorded;
  }
}

/** What is shown of a class; project.json may say more. */
const plainClass = ({ id, name, colour }: ClassInfo): ClassInfo => ({ id, name, colour });
