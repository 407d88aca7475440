/**
 * What all images of a run are asked with, for a batch and for a single image alike: equal requests have equal keys.
 */
import { mostReferences, type StrategyId } from '../../core/strategies';
import type { StrategyParameters } from '../../core/strategies/strategy';
import type { ClassesRequest, ClassQuestion, IntensityWindow, ModelInfo, Shown } from '../../protocol/engineApi';
import { folderWindow, type WindowEngine } from '../project/folderWindow';
import type { Project, ProjectReference } from '../project/project';
import { type CheckedReference, type ReferenceEngine, type Voters, votingReferences } from '../project/reference';
import { NO_TEACHING, type ReviewedSource, reviewedMasks, type Teaching } from '../project/reviewedMasks';
import { type CompetitorKey, runKeyOf } from './runKey';

/** A class's first reference, as stored and as it was found. */
interface ClassReference {
  readonly reference: ProjectReference;
  readonly checked: CheckedReference;
}

/** Where a class is learnt from. */
export interface LearningParts {
  readonly engine: ReferenceEngine;
  readonly root: string;
  readonly project: Project;
  readonly strategy: StrategyId;
  /** Undefined where the references alone teach. */
  readonly reviewed?: ReviewedSource | undefined;
  /** Absolute path of the image that is to be labelled, where it may be a reviewed one: it teaches itself nothing. */
  readonly target?: string;
}

interface RunRequestParts extends LearningParts {
  readonly engine: WindowEngine & ReferenceEngine;
  /** One per class, at least one. */
  readonly classes: readonly ClassReference[];
  /** Images of the root (posix paths relative to it), among which a window for deep ones is measured. */
  readonly images: readonly string[];
  readonly parameters: StrategyParameters;
  /** The models in use. */
  readonly encoder: ModelInfo;
  readonly segmenter: ModelInfo;
}

/** How one class of a run is asked for. */
export interface ClassRun {
  readonly classId: number;
  readonly question: ClassQuestion;
  /**
   * Run key: an image that was segmented with this request and journalled for the class under this key is done. The
   * other classes are part of it, since they compete for the same pixels. Reviewed masks are not: each correction would
   * have all made anew.
   */
  readonly run: string;
  /** The references that vote, the chosen one first. */
  readonly references: readonly CheckedReference[];
  /** What reviewed masks add to the question. */
  readonly teaching: Teaching;
}

export interface RunRequest {
  /** What is the same for all classes. */
  readonly shared: Pick<ClassesRequest, 'strategy' | 'parameters' | keyof Shown>;
  /** By class id. */
  readonly classes: readonly ClassRun[];
  /** What a person should know. */
  readonly notes: readonly string[];
}

/** The window that images of more than 8 bits need is stored in the project where it has none. */
export async function runRequest(parts: RunRequestParts): Promise<RunRequest> {
  const { engine, root, project, images, strategy, parameters, encoder, segmenter } = parts;
  const classes = [...parts.classes].sort((a, b) => a.reference.class - b.reference.class);
  const sample = classes.find(({ checked }) => checked.info.depth > 8) ?? classes[0];
  const window = await folderWindow(engine, root, project, images, sample.checked);
  const bands = project.bands && { bands: project.bands };
  const notes: string[] = [];
  const keys: CompetitorKey[] = [];
  const learnt: Learnt[] = [];
  for (const one of classes) {
    const { class: classId, imageHash, maskHash } = one.reference;
    const found = await learntFrom(parts, one);
    const others = found.voters
      .slice(1)
      .map((one) => [one.imageHash, one.maskHash, ...readingKey(one).map(({ reading }) => reading)]);
    notes.push(...found.notes);
    learnt.push(found);
    const [reading] = readingKey(one.checked);
    keys.push({ classId, imageHash, maskHash, ...reading, ...(others.length > 0 && { others }) });
  }
  return {
    shared: { strategy, parameters, ...(window && { window: plainWindow(window) }), ...bands },
    classes: keys.map((key, index): ClassRun => {
      const competitors = keys.filter((other) => other !== key);
      const about = { ...key, ...(competitors.length > 0 && { competitors }) };
      return {
        classId: key.classId,
        question: questionOf(key.classId, learnt[index]),
        run: runKeyOf({ ...about, encoder, segmenter, strategy, parameters, window, ...bands }),
        references: learnt[index].voters,
        teaching: learnt[index].teaching,
      };
    }),
    notes,
  };
}

/** What a class is learnt from. */
interface Learnt {
  readonly voters: Voters['references'];
  readonly teaching: Teaching;
  readonly notes: readonly string[];
}

/** What a class is learnt from now, for a run and for whoever wants to know what a run would learn from. */
export async function learntFrom(
  { engine, root, project, strategy, reviewed, target }: LearningParts,
  { reference, checked }: ClassReference,
): Promise<Learnt> {
  const most = mostReferences(strategy);
  const { references: voters, notes } = await votingReferences(root, project, reference, checked, { engine, most });
  if (reviewed === undefined) return { voters, teaching: NO_TEACHING, notes };
  const { id, name } = project.classes.find((one) => one.id === reference.class)!;
  const except = [...voters.map(({ image }) => image), ...(target === undefined ? [] : [target])];
  const teaching = await reviewedMasks(reviewed, { id, name }, { most: most - voters.length, except });
  return { voters, teaching, notes: [...notes, ...teaching.notes] };
}

/** How a mask was read, where it is not plain: the same file read in another way is another mask. */
function readingKey({ reading: { manner, turned } }: CheckedReference): { readonly reading: string }[] {
  const parts = [...(manner ? [manner] : []), ...(turned ? ['turned'] : [])];
  return parts.length > 0 ? [{ reading: parts.join(', ') }] : [];
}

function questionOf(classId: number, { voters, teaching }: Pick<Learnt, 'voters' | 'teaching'>): ClassQuestion {
  const spec = ({ image, mask, imageHash }: CheckedReference) => ({ image, mask, imageHash });
  const [first, ...others] = voters.map(spec);
  const moreReferences = [...others, ...teaching.references];
  return { classId, reference: first, ...(moreReferences.length > 0 && { moreReferences }) };
}

/** Without what else project.json may say about the window. */
const plainWindow = ({ low, high }: IntensityWindow): IntensityWindow => ({ low, high });
