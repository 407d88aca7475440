/** Segment Image: the strategy of the project on one open image, as a batch would run it. */
import { area } from '../../core/geometry';
import { Outcome } from '../../core/userError';
import { runRequest } from '../../dataset/batch/runRequest';
import { scanFolder } from '../../dataset/files/folder';
import { checkReference } from '../../dataset/project/reference';
import type { TeachingMasks } from '../../dataset/project/reviewedMasks';
import { projectStrategy } from '../../dataset/project/setUp';
import type { ProjectRoot } from '../../dataset/projectRoot';
import { nameForm } from '../../disk/nameForms';
import type { AutomaticResult, ClassInfo } from '../../protocol/editorApi';
import type { EngineApi, SegmentResult } from '../../protocol/engineApi';
import type { Remote } from '../../rpc';
import type { HostSession } from '../document/labelDocument';

interface Segmentation {
  readonly result: SegmentResult;
  /** Key of the run that gives the same result. */
  readonly run: string;
  /** The reviewed masks that taught it, if any. */
  readonly teaching: TeachingMasks | undefined;
  /** What pages show of it. */
  readonly automatic: AutomaticResult;
}

/**
 * Segments one class in an image with the class's references and reviewed masks. Throws UserError where there is no
 * reference, the first has changed, or the image is one of them itself.
 *
 * @param image absolute path
 */
export async function segmentImage(
  engine: Remote<EngineApi>,
  root: ProjectRoot,
  image: string,
  { id: classId, name }: ClassInfo,
  signal: AbortSignal,
): Promise<Segmentation> {
  const project = await root.project();
  const reference = project.references.find((one) => one.class === classId);
  if (reference === undefined) {
    throw new Outcome(
      `Class "${name}" has no reference yet: mark the object in one image, then choose "Use as Reference" there.`,
    );
  }
  const checked = await checkReference(root.root, reference, engine, project.classes);
  const { encoder, segmenter, device } = await engine.info(undefined, { signal });
  const { strategy, parameters } = projectStrategy(root.root, project);
  const target = await engine.inspectImage({ image }, { signal });
  // Only a folder of deep images needs its window, for which a sample of them is looked at.
  const isDeep = project.window === undefined && Math.max(target.depth, checked.info.depth) > 8;
  const images = isDeep ? (await scanFolder(root.root, { maskFolder: await root.maskFolder() })).images : [];
  const { shared, classes, notes } = await runRequest({
    engine,
    root: root.root,
    project,
    classes: [{ reference, checked }],
    images,
    strategy,
    parameters,
    encoder,
    segmenter,
    reviewed: await root.reviewedSource(engine),
    target: image,
  });
  if (isDeep) root.forget();
  const [{ question, run, references, teaching }] = classes;
  if (references.some((one) => nameForm(one.image) === nameForm(image))) {
    throw new Outcome(`${image} is a reference of class "${name}": its support mask is its mask already.`);
  }
  const result = await engine.segment(
    { ...shared, ...question, image, withDetails: true, cacheBelow: Number.POSITIVE_INFINITY },
    { signal },
  );
  const { outcome, prompts, trust, trustParts, iouPrediction, maskPrompt, times } = result;
  const automatic: AutomaticResult = {
    classId,
    candidates: prompts,
    heatMap: maskPrompt ?? null,
    trust: trust ?? null,
    trustParts: { ...trustParts },
    iouPrediction: iouPrediction ?? null,
    outcome,
    notes: [...notes, ...result.notes],
    times,
    device,
  };
  return { result, run, teaching: teaching.masks, automatic };
}

/** The session that goes on from the prompts of a result, on an empty class; null where nothing was found. */
export function automaticSession(classId: number, result: SegmentResult): HostSession | null {
  if (result.outcome === 'absent') return null;
  const { prompts, size, iouPrediction, maskPrompt, answerPrior } = result;
  return {
    classId,
    points: prompts.filter(({ reason }) => reason === 'kept').map(({ point, label }) => ({ point, label })),
    box: null,
    origin: 'automatic',
    base: { size, runs: Uint32Array.of(area(size)) },
    iouPrediction: iouPrediction ?? null,
    ...(maskPrompt && { maskPrompt }),
    ...(answerPrior && { answerPrior }),
  };
}
