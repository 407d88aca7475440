/** What is known of one root while it is in use: its project and its journal, read once and refreshed on demand. */
import { FileHashes } from '../disk/fileHashes';
import type { ImageInfo } from '../protocol/engineApi';
import type { LearnFrom } from '../protocol/runnerApi';
import type { LabelReader } from './files/labelFile';
import { resolveMaskFolder } from './files/maskFolder';
import { MaskLocator } from './files/maskLocator';
import type { JournalView, JournalViews } from './journal/journalView';
import { type Project, type ProjectClass, type ProjectReference, updateProject } from './project/project';
import type { ReferenceEngine } from './project/reference';
import { addClass, type NewReference, removeReference, setReference } from './project/references';
import type { ReviewedSource } from './project/reviewedMasks';
import { openProject, type ProjectDefaults } from './project/setUp';
import { Review } from './review/review';

/** What reading reviewed masks needs of the engine. */
interface ReviewedEngine {
  inspectImage(params: { image: string }): Promise<ImageInfo>;
  readonly readLabels: LabelReader;
}

export class ProjectRoot {
  /** Of masks and references, which several views ask for. */
  readonly hashes = new FileHashes();
  private loading: Promise<Project> | undefined;

  /**
   * @param root absolute
   * @param defaults what a new project starts with
   * @param learnFrom what classes are learnt from
   */
  constructor(
    readonly root: string,
    private readonly journals: JournalViews,
    private readonly defaults: () => ProjectDefaults,
    private readonly learnFrom: () => LearnFrom = () => 'reviewed',
  ) {}

  /** The project as it is on disk, or one made of the defaults where there is none yet. */
  project(): Promise<Project> {
    this.loading ??= openProject(this.root, {}, this.defaults()).catch((error: unknown) => {
      this.loading = undefined;
      throw error;
    });
    return this.loading;
  }

  /** The merged journal, with what was appended since the last call. */
  async journal(): Promise<JournalView> {
    const view = await this.journals.of(this.root);
    await view.refresh();
    return view;
  }

  /** What a person has to look at here; kept up by its owner. */
  openReview(): Promise<Review> {
    return Review.open(this.root, { journals: this.journals, hashes: this.hashes, defaults: this.defaults() });
  }

  /** Reads the project anew on its next use. */
  forget(): void {
    this.loading = undefined;
  }

  /** Stores these classes where the project has none, so that masks that are written have names and colours. */
  async ensureClasses(classes: readonly Pick<ProjectClass, 'id' | 'name' | 'colour'>[]): Promise<void> {
    const known = await this.project();
    if (known.classes.length > 0) return;
    await updateProject(this.root, known, (now) =>
      now.classes.length > 0 ? now : { ...now, classes: classes.map((one) => ({ ...one })) },
    );
    this.forget();
  }

  /** Adds a class, and the project where there is none; gives its id. Throws UserError for a name that is taken. */
  async addClass({ name, colour }: { readonly name: string; readonly colour?: string }): Promise<number> {
    const { id } = await addClass(this.root, name, colour, this.defaults());
    this.forget();
    return id;
  }

  /** Makes an image with its mask the reference that runs use, and says how the mask was read; see `setReference`. */
  async setReference(reference: NewReference, engine: ReferenceEngine): Promise<readonly string[]> {
    const notes: string[] = [];
    await setReference(this.root, reference, engine, { defaults: this.defaults(), onNote: (note) => notes.push(note) });
    this.forget();
    return notes;
  }

  async removeReference(reference: ProjectReference): Promise<void> {
    await removeReference(this.root, reference);
    this.forget();
  }

  /** Where the masks lie that a person has judged; undefined where nothing is learnt from them. */
  async reviewedSource(engine: ReviewedEngine): Promise<ReviewedSource | undefined> {
    if (this.learnFrom() === 'references') return undefined;
    const [{ classes }, view] = [await this.project(), await this.journal()];
    return {
      ...{ root: this.root, view, masks: new MaskLocator(this.root, await this.maskFolder(), view) },
      classIds: classes.map(({ id }) => id),
      inspectImage: (params) => engine.inspectImage(params),
      readLabels: (params) => engine.readLabels(params),
    };
  }

  async maskFolder(): Promise<string> {
    return resolveMaskFolder(this.root, (await this.project()).maskFolder);
  }

  /**
   * Absolute path of the mask of an image (posix path relative to the root). Throws UserError where nothing tells it.
   */
  async maskPath(image: string): Promise<string> {
    return new MaskLocator(this.root, await this.maskFolder(), await this.journal()).locate(image);
  }
}
