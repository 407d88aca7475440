/** Which images of a root a person should label next, and whether the references that there are fit the rest. */
import { atypicality, type Candidate, type Choice, rankCandidates } from '../../core/tokens/labelNext';
import { Outcome, UserError } from '../../core/userError';
import { nameForm, spelledPath } from '../../disk/nameForms';
import type { ImageDescription, IntensityWindow, Shown } from '../../protocol/engineApi';
import type { ImageFailure } from '../../protocol/runnerApi';
import { mapBounded } from '../files/bounded';
import { absolutePath, scanFolder } from '../files/folder';
import { imageFailure } from '../files/imageFailure';
import { resolveMaskFolder } from '../files/maskFolder';
import { spread } from '../files/spread';
import { isPersons } from '../journal/journal';
import { type JournalEntry, JournalView } from '../journal/journalView';
import { findClass } from '../project/classes';
import { measureWindow, type WindowEngine } from '../project/folderWindow';
import { type Project, type ProjectClass, resolveStored } from '../project/project';
import { targetsOf } from '../project/targets';

/** What a suggestion needs of the engines. */
export interface SuggestionEngine extends WindowEngine {
  /** Calls that are worth having under way at the same time. */
  readonly lanes: number;
  describeImage(params: { image: string } & Shown, options: { signal: AbortSignal }): Promise<ImageDescription>;
}

interface SuggestionRequest {
  readonly engine: SuggestionEngine;
  /** Absolute path of the root. */
  readonly root: string;
  readonly project: Project;
  /** Of which trust and references count; where undefined the only one that has references, or that there is. */
  readonly className?: string | undefined;
  /** Absolute paths of folders and images in the root; the whole root where undefined. */
  readonly targets?: readonly string[];
  /** Most images to suggest. */
  readonly count: number;
  readonly signal: AbortSignal;
  /** Called after each image that was looked at. */
  readonly onProgress?: (done: number, total: number) => void;
}

interface SuggestedImage {
  /** Posix path relative to the root. */
  readonly image: string;
  /** Images that lie nearer to it than to anything labelled or suggested before, itself among them. */
  readonly serves: number;
  /** Images that nobody has labelled, of which it serves these. */
  readonly of: number;
  /** Trust in the automatic mask of this image, and the mean of those it serves; null where none was judged. */
  readonly trust: number | null;
  readonly meanTrust: number | null;
  /** Share of all that a reference could do for this folder, 0 to 1. */
  readonly gain: number;
  /** One sentence for a person. */
  readonly reason: string;
}

interface ReferenceFit {
  /** Posix path relative to the root, or absolute outside it. */
  readonly image: string;
  /** Share of the images that are more like the others than the reference is. */
  readonly atypicality: number;
  readonly isAtypical: boolean;
}

export interface Suggestion {
  readonly images: readonly SuggestedImage[];
  readonly references: readonly ReferenceFit[];
  /**
   * Images that nobody has labelled: those that were compared, and all that there are (a large folder is sampled).
   */
  readonly looked: number;
  readonly total: number;
  /** Each image (posix path) that could not be looked at, with one sentence. */
  readonly failures: readonly ImageFailure[];
  readonly class: ProjectClass | undefined;
}

/** Comparing all images with each other takes seconds for as many as this, and time goes with their square. */
const MOST_IMAGES = 2000;

/** A reference that nine of ten images are more typical than is said to be atypical. */
const ATYPICAL = 0.9;

/** Of an image that nobody has judged, and of one in which nothing was found: it may be right. */
const NEED_UNKNOWN = 1;
const NEED_ABSENT = 0.5;

/** Writes nothing. Throws UserError where there is no image to compare. */
export async function suggestNext(request: SuggestionRequest): Promise<Suggestion> {
  const { engine, root, project, className, targets = [] } = request;
  const found = await scanFolder(root, { maskFolder: resolveMaskFolder(root, project.maskFolder), targets });
  const wanted = classOf(root, project, className);
  const view = await JournalView.read(root);
  const scan = targetsOf(root, found, view, project.references);
  const references = project.references.filter((one) => one.class === wanted?.id);
  const referencePaths = new Map<string, string>();
  for (const { image } of references) referencePaths.set(await spelledPath(resolveStored(root, image)), image);
  const isReference = new Set([...referencePaths.keys()].map(nameForm));
  const others = scan.images.filter((image) => !isReference.has(nameForm(absolutePath(root, image))));
  const entryOf = (image: string) => wanted && view.entry(image, wanted.id);
  const isJudged = (image: string) => isPersons(entryOf(image)?.status ?? 'auto');
  const judged = spread(others.filter(isJudged), MOST_IMAGES);
  const unlabelled = others.filter((image) => !isJudged(image));
  const looked = spread(unlabelled, MOST_IMAGES);
  const window = project.window ?? (await measureWindow(engine, root, project, scan.images)) ?? undefined;
  const failures: ImageFailure[] = [...scan.failures];
  const describe = describer(request, window, looked.length + judged.length + referencePaths.size, failures);
  const described = await mapBounded(looked, engine.lanes, async (image) => ({
    image,
    entry: entryOf(image),
    descriptor: await describe(absolutePath(root, image), image),
  }));
  const seen = await mapBounded(judged, engine.lanes, (image) => describe(absolutePath(root, image), image));
  const labelled = await mapBounded([...referencePaths], engine.lanes, async ([path, image]) => ({
    image,
    descriptor: await describe(path, image),
  }));
  const images = described.filter(isDescribed);
  const covering = labelled.filter(isDescribed);
  const reviewed = seen.filter((descriptor) => descriptor !== null);
  if (others.length === 0 && failures.length === 0)
    throw new Outcome(`${root} holds no image that is not a reference already.`);

  const candidates = images.map(
    ({ descriptor, entry }): Candidate => ({
      descriptor,
      need: needOf(entry),
    }),
  );
  // Every image that a person has labelled teaches those that are like it, as a reference does.
  const covered = [...covering.map(({ descriptor }) => descriptor), ...reviewed];
  const choices = rankCandidates(candidates, covered, request.count);
  const all = [...images.map(({ descriptor }) => descriptor), ...reviewed];
  return {
    images: choices.map((choice) => suggested(choice, images, covered.length > 0)),
    references: covering.map(({ image, descriptor }) => {
      const share = atypicality(descriptor, all);
      // Among a handful, somebody has to be the odd one out.
      return { image, atypicality: share, isAtypical: all.length >= 10 && share >= ATYPICAL };
    }),
    looked: images.length,
    total: unlabelled.length,
    failures,
    class: wanted,
  };
}

/**
 * Describes an image by its absolute path: null where that fails, which is noted under `name`.
 *
 * @param total images that will be described, for progress
 */
function describer(
  { engine, project, signal, onProgress }: SuggestionRequest,
  window: IntensityWindow | undefined,
  total: number,
  failures: ImageFailure[],
): (path: string, name: string) => Promise<Float32Array | null> {
  let done = 0;
  const { low, high } = window ?? { low: 0, high: 0 };
  const shown = { ...(window && { window: { low, high } }), ...(project.bands && { bands: project.bands }) };
  return async (path, name) => {
    try {
      signal.throwIfAborted();
      return (await engine.describeImage({ image: path, ...shown }, { signal })).descriptor;
    } catch (error) {
      signal.throwIfAborted();
      failures.push({ image: name, message: imageFailure(path, error, 'looked at').message });
      return null;
    } finally {
      onProgress?.(++done, total);
    }
  };
}

/** What is told of an image that was chosen, with what is known of those that it stands for. */
function suggested(
  { index, group, gain }: Choice,
  images: readonly { readonly image: string; readonly entry: JournalEntry | undefined }[],
  isCovered: boolean,
): SuggestedImage {
  const trustOf = (at: number) => images[at].entry?.trust ?? null;
  const judged = group.map(trustOf).filter((trust) => trust !== null);
  const meanTrust = judged.length > 0 ? judged.reduce((sum, trust) => sum + trust, 0) / judged.length : null;
  const about = { serves: group.length, of: images.length, trust: trustOf(index), meanTrust };
  return { image: images[index].image, ...about, gain, reason: reasonOf(about, isCovered) };
}

/** The named class, or the one that has references, or the one that a first reference would get. */
function classOf(root: string, project: Project, className: string | undefined): ProjectClass | undefined {
  const { classes, references } = project;
  const names = (of: readonly ProjectClass[]) => of.map(({ name }) => name).join(', ');
  if (className !== undefined) {
    const found = findClass(project, className);
    if (found !== undefined) return found;
    throw new UserError(`${root} has no class "${className}"; it has: ${names(classes) || 'none'}.`);
  }
  const referenced = classes.filter(({ id }) => references.some((one) => one.class === id));
  if (referenced.length > 1) {
    throw new UserError(`${root} has references of several classes (${names(referenced)}): choose one with --class.`);
  }
  return referenced[0] ?? findClass(project, undefined);
}

const isDescribed = <T extends { readonly descriptor: Float32Array | null }>(
  one: T,
): one is T & { readonly descriptor: Float32Array } => one.descriptor !== null;

function needOf(entry: JournalEntry | undefined): number {
  if (entry === undefined) return NEED_UNKNOWN;
  if (entry.trust !== null) return 1 - entry.trust;
  return entry.status === 'absent' ? NEED_ABSENT : NEED_UNKNOWN;
}

function reasonOf(
  { serves, of, meanTrust }: Pick<SuggestedImage, 'serves' | 'of' | 'meanTrust'>,
  isCovered: boolean,
): string {
  const than = isCovered ? ', nearer to it than to anything labelled' : '';
  const group = serves === 1 ? 'it stands for itself alone' : `it teaches ${serves} of ${of} images${than}`;
  return meanTrust === null ? group : `${group}; trust is ${meanTrust.toFixed(2)} there`;
}
