/** What all images of a run are asked with, for a batch and for a single image alike: equal requests have equal keys. */
import { mostReferences } from '../core/strategies';
import type { StrategyId, StrategyParameters } from '../core/strategies/strategy';
import type { IntensityWindow, ModelInfo, SegmentRequest } from '../protocol/engineApi';
import { folderWindow, type WindowEngine } from './folderWindow';
import type { LabelReader } from './labelFile';
import type { Project, ProjectReference } from './project';
import { type CheckedReference, type ReferenceEngine, votingReferences } from './reference';
import { runKeyOf } from './runKey';

export interface RunRequestParts {
  readonly engine: WindowEngine & ReferenceEngine;
  readonly root: string;
  readonly project: Project;
  readonly reference: ProjectReference;
  readonly checked: CheckedReference;
  /** Decodes the masks of further references, in this process where undefined. */
  readonly read?: LabelReader;
  /** Images of the root (posix paths relative to it), among which a window for deep ones is measured. */
  readonly images: readonly string[];
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  /** The models in use. */
  readonly encoder: ModelInfo;
  readonly segmenter: ModelInfo;
}

export interface RunRequest {
  readonly request: Omit<SegmentRequest, 'image' | 'withDetails' | 'cacheBelow'>;
  /** Run key: an image that was segmented with this request and journalled under this key is done. */
  readonly run: string;
  /** The references that vote, the chosen one first. */
  readonly references: readonly CheckedReference[];
  /** What a person should know. */
  readonly notes: readonly string[];
}

/** The window that images of more than 8 bits need is stored in the project where it has none. */
export async function runRequest(parts: RunRequestParts): Promise<RunRequest> {
  const { engine, root, project, reference, checked, images, strategy, parameters, encoder, segmenter, read } = parts;
  const { image, mask, info } = checked;
  const { class: classId, imageHash, maskHash } = reference;
  const window = await folderWindow(engine, root, project, images, { image, info });
  const most = mostReferences(strategy);
  const { references, notes } = await votingReferences(root, project, reference, checked, { engine, most, read });
  const others = references.slice(1);
  const hashes = others.map((one) => [one.imageHash, one.maskHash]);
  const about = { classId, imageHash, maskHash, ...(others.length > 0 && { others: hashes }) };
  return {
    request: {
      reference: { image, mask, imageHash },
      ...(others.length > 0 && {
        moreReferences: others.map((one) => ({ image: one.image, mask: one.mask, imageHash: one.imageHash })),
      }),
      strategy,
      parameters,
      ...(window && { window: plainWindow(window) }),
    },
    run: runKeyOf({ ...about, encoder, segmenter, strategy, parameters, window }),
    references,
    notes,
  };
}

/** Without what else project.json may say about the window. */
const plainWindow = ({ low, high }: IntensityWindow): IntensityWindow => ({ low, high });
