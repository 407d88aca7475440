/** Temporary folders, files that pass for images, and an engine without models. */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import { toRuns } from '../../src/core/pixels/mask';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import type { TrustParts } from '../../src/core/tokens/trust';
import type { BatchEngine, BatchJob } from '../../src/dataset/batch/batch';
import type { JournalLine } from '../../src/dataset/journal/journal';
import type { Project } from '../../src/dataset/project/project';
import { makeReference } from '../../src/dataset/project/reference';
import { sha256 } from '../../src/disk/hashing';
import { encodeMaskPng } from '../../src/formats/maskPng';
import type {
  ClassesRequest,
  ImageInfo,
  ReferenceMask,
  ReferenceMaskRequest,
  SegmentResult,
} from '../../src/protocol/engineApi';
import { readReference } from '../masks';

export const SIZE: Size = { width: 4, height: 3 };

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'apmedsam-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function put(path: string, content: string | Uint8Array | Promise<Uint8Array>): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, await content);
  return path;
}

/** The start of a PNG and then the name, so that every image has a hash of its own. */
export const imageBytes = (name: string): Uint8Array => Buffer.from(`\x89PNG\r\n\x1a\n${name}`, 'latin1');

export async function putImages(root: string, names: readonly string[]): Promise<void> {
  for (const folder of new Set(names.map(dirname))) await mkdir(join(root, folder), { recursive: true });
  await Promise.all(names.map((name) => writeFile(join(root, name), imageBytes(name))));
}

export const labels = (values: readonly number[], size: Size = SIZE): LabelMap => ({
  size,
  data: Uint8Array.from(values),
});

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** What an engine may say of a mask. */
export const TRUST_PARTS: TrustParts = {
  stability: 0.8,
  forwardSimilarity: 0.7,
  priorContrast: 1,
  borderKept: 1,
};

export const CLASSES = [
  { id: 1, name: 'glomerulus', colour: '#ff8800' },
  { id: 2, name: 'vessel', colour: '#0088ff' },
];

export function projectOf(changes: Partial<Project> = {}): Project {
  return {
    version: 1,
    classes: CLASSES,
    references: [],
    strategy: 'ap-medsam',
    parameters: {},
    encoder: 'encoder',
    segmenter: 'segmenter',
    maskFolder: 'masks',
    ...changes,
  };
}

/** What the fake engine draws unless told otherwise: the left two columns. */
export const DRAWN = [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0];

type Answer = Partial<SegmentResult> & { readonly pixels?: readonly number[] };

/** Answers for each class at once with DRAWN, or as `answer` says; `answer` may also throw or paint meanwhile. */
export class FakeEngine implements BatchEngine {
  readonly requests: ClassesRequest[] = [];
  readonly prepared: unknown[] = [];
  readonly sampled: (readonly string[])[] = [];
  mostInFlight = 0;
  private inFlight = 0;

  constructor(
    private readonly answer: (
      image: string,
      signal: AbortSignal,
      classId: number,
    ) => Answer | Promise<Answer> = () => ({}),
    readonly lanes = 2,
    private readonly depth: (image: string) => number = () => 8,
  ) {}

  async inspectImage({ image }: { image: string }): Promise<ImageInfo> {
    return { size: SIZE, file: await stampOf(image), format: 'png', depth: this.depth(image) };
  }

  async readReference(request: ReferenceMaskRequest): Promise<ReferenceMask> {
    return readReference(request, await this.inspectImage(request));
  }

  async sampleWindow({ images }: { images: readonly string[] }) {
    this.sampled.push(images);
    return { low: 100, high: 4000 };
  }

  async prepareReference(params: unknown) {
    this.prepared.push(params);
    const file = { sha256: '', bytes: 0, mtimeMs: 0 };
    return { size: SIZE, file, foregroundPatches: 1, backgroundPatches: 1, notes: ['thin object'] };
  }

  async segmentClasses(request: ClassesRequest, { signal }: { signal: AbortSignal }): Promise<SegmentResult[]> {
    this.requests.push(request);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    try {
      const file = await stampOf(request.image);
      const results: SegmentResult[] = [];
      for (const { classId } of request.classes) {
        const { pixels = DRAWN, ...changes } = await this.answer(request.image, signal, classId);
        signal.throwIfAborted();
        results.push({
          size: SIZE,
          file,
          outcome: 'mask',
          mask: toRuns({ size: SIZE, data: Uint8Array.from(pixels) }),
          instances: [],
          prompts: [],
          iouPrediction: 0.9,
          notes: [],
          times: { total: 5 },
          ...changes,
        });
      }
      return results;
    } finally {
      this.inFlight--;
    }
  }
}

async function stampOf(path: string) {
  const [bytes, info] = await Promise.all([readFile(path), stat(path)]);
  return { sha256: sha256(bytes), bytes: info.size, mtimeMs: info.mtimeMs };
}

/** A job on a new root with these images; the reference lies outside the root. */
export async function jobWith(images: readonly string[], engine: BatchEngine): Promise<BatchJob> {
  const base = await temporaryFolder();
  const root = join(base, 'root');
  await mkdir(root);
  await putImages(root, images);
  const image = await put(join(base, 'reference.png'), imageBytes('reference'));
  const half = Array.from({ length: area(SIZE) }, (_, i) => (i < 6 ? 1 : 0));
  const mask = await put(join(base, 'mask.png'), encodeMaskPng(labels(half), CLASSES));
  return {
    engine,
    root,
    project: projectOf(),
    references: [await makeReference(root, 1, image, mask)],
    strategy: 'ap-medsam',
    parameters: DEFAULT_PARAMETERS,
    encoder: { id: 'encoder', sha256: 'e' },
    segmenter: { id: 'segmenter', sha256: 's' },
    overwrite: 'replace-auto',
  };
}

export function lineWith(changes: Partial<JournalLine> = {}): JournalLine {
  return {
    kind: 'done',
    image: 'a.png',
    class: 1,
    status: 'auto',
    file: { sha256: 'f', bytes: 1, mtimeMs: 1.5 },
    mask: 'm',
    run: 'r',
    trust: null,
    trustParts: { iouPrediction: 0.8 },
    prompts: [{ x: 1.5, y: 2.5, label: 1, instance: 0 }],
    milliseconds: 12,
    error: null,
    time: '2026-01-01T00:00:00.000Z',
    ...changes,
  };
}
