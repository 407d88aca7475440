/**
 * What all images of a run are asked with, for a batch and for a single image alike: equal requests have equal keys.
 */
import { mostReferences, type StrategyId } from '../../core/strategies';
import type { StrategyParameters } from '../../core/strategies/strategy';
import type { ClassesRequest, ClassQuestion, IntensityWindow, ModelInfo, Shown } from '../../protocol/engineApi';
import { folderWindow, type WindowEngine } from '../project/folderWindow';
import type { Project, ProjectReference } from '../project/project';
import { type CheckedReference, type ReferenceEngine, votingReferences } from '../project/reference';
import { type CompetitorKey, runKeyOf } from './runKey';

/** A class's first reference, as stored and as it was found. */
interface ClassReference {
  readonly reference: ProjectReference;
  readonly checked: CheckedReference;
}

interface RunRequestParts {
  readonly engine: WindowEngine & ReferenceEngine;
  readonly root: string;
  readonly project: Project;
  /** One per class, at least one. */
  readonly classes: readonly ClassReference[];
  /** Images of the root (posix paths relative to it), among which a window for deep ones is measured. */
  readonly images: readonly string[];
  readonly strategy: StrategyId;
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
   * other classes are part of it, since they compete for the same pixels.
   */
  readonly run: string;
  /** The references that vote, the chosen one first. */
  readonly references: readonly CheckedReference[];
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
  const most = mostReferences(strategy);
  const notes: string[] = [];
  const keys: CompetitorKey[] = [];
  const voters: (readonly CheckedReference[])[] = [];
  for (const { reference, checked } of classes) {
    const { class: classId, imageHash, maskHash } = reference;
    const voting = await votingReferences(root, project, reference, checked, { engine, most });
    const others = voting.references
      .slice(1)
      .map((one) => [one.imageHash, one.maskHash, ...readingKey(one).map(({ reading }) => reading)]);
    notes.push(...voting.notes);
    voters.push(voting.references);
    const [reading] = readingKey(checked);
    keys.push({ classId, imageHash, maskHash, ...reading, ...(others.length > 0 && { others }) });
  }
  return {
    shared: { strategy, parameters, ...(window && { window: plainWindow(window) }), ...bands },
    classes: keys.map((key, index): ClassRun => {
      const competitors = keys.filter((other) => other !== key);
      const about = { ...key, ...(competitors.length > 0 && { competitors }) };
      return {
        classId: key.classId,
        question: questionOf(key.classId, voters[index]),
        run: runKeyOf({ ...about, encoder, segmenter, strategy, parameters, window, ...bands }),
        references: voters[index],
      };
    }),
    notes,
  };
}

/** How a mask was read, where it is not plain: the same file read in another way is another mask. */
function readingKey({ reading: { manner, turned } }: CheckedReference): { readonly reading: string }[] {
  const parts = [...(manner ? [manner] : []), ...(turned ? ['turned'] : [])];
  return parts.length > 0 ? [{ reading: parts.join(', ') }] : [];
}

function questionOf(classId: number, [first, ...others]: readonly CheckedReference[]): ClassQuestion {
  const spec = ({ image, mask, imageHash }: CheckedReference) => ({ image, mask, imageHash });
  return { classId, reference: spec(first), ...(others.length > 0 && { moreReferences: others.map(spec) }) };
}

/** Without what else project.json may say about the window. */
const plainWindow = ({ low, high }: IntensityWindow): IntensityWindow => ({ low, high });
