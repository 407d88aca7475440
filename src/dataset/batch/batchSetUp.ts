/**
 * From what a person has clicked or typed to a batch that can run: what the command line and the editor have in common.
 */
import type { EngineInfo } from '../../protocol/engineApi';
import { findRoot, scanFolder } from '../files/folder';
import { resolveMaskFolder } from '../files/maskFolder';
import type { MaskFolderGrants } from '../files/maskFolderGrants';
import {
  type Advice,
  chooseReference,
  openProject,
  type ProjectSettings,
  projectStrategy,
  type ReferenceChoice,
  storeSetUp,
} from '../project/setUp';
import type { BatchEngine, BatchJob } from './batchJob';

export interface BatchRequest extends Pick<BatchJob, 'overwrite' | 'learnFrom' | 'againBelow' | 'shard'> {
  /** Absolute paths of folders and images, all in one root. */
  readonly targets: readonly [string, ...string[]];
  /** A mask folder in them is a person's word, one of the project is not. */
  readonly settings?: ProjectSettings;
  readonly grants: MaskFolderGrants;
  readonly reference: ReferenceChoice;
  readonly advice?: Advice;
  /** Rejects with its reason where engines are being started. */
  readonly signal?: AbortSignal;
}

/** Ids of the models that engines are to open. */
export interface ModelChoice {
  readonly encoder: string;
  readonly segmenter: string;
}

type InformedEngine = BatchEngine & {
  info(params: undefined, options?: { signal?: AbortSignal }): Promise<EngineInfo>;
};

/**
 * Finds the root of the targets, its project, images and references, starts engines with the project's models, and
 * stores what was chosen once they could be opened.
 *
 * @param startEngines called after all that can be refused without an engine
 * @returns the job, and the execution provider that its engines use
 * @throws UserError if the batch cannot start
 */
export async function prepareBatch(
  { targets, settings = {}, grants, reference: wanted, advice, signal, ...how }: BatchRequest,
  startEngines: (models: ModelChoice) => InformedEngine | Promise<InformedEngine>,
): Promise<{ readonly job: BatchJob; readonly device: string }> {
  const root = await findRoot(targets[0]);
  const opened = await openProject(root, settings);
  const strategy = projectStrategy(root, opened);
  // A home that cannot be written remembers nothing; this run has been told all the same.
  const isNamed = settings.maskFolder !== undefined;
  if (isNamed) await grants.grant(root, opened.maskFolder).catch(() => undefined);
  const maskFolder = isNamed
    ? resolveMaskFolder(root, opened.maskFolder)
    : await grants.require(root, opened.maskFolder);
  const scan = await scanFolder(root, { maskFolder, targets });
  const choice = await chooseReference(root, opened, wanted, advice);
  const engine = await startEngines({ encoder: opened.encoder, segmenter: opened.segmenter });
  const { encoder, segmenter, device } = await engine.info(undefined, signal && { signal });
  const setUp = await storeSetUp(root, choice, engine);
  return {
    job: { engine, root, ...setUp, ...strategy, encoder, segmenter, scan, ...how },
    device,
  };
}
