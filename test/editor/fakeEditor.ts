/** An engine without models, and pages that only listen, for tests of open images. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mask, toRuns } from '../../src/core/pixels/mask';
import { UserError } from '../../src/core/userError';
import { relativePath } from '../../src/dataset/files/folder';
import { readLabelFile } from '../../src/dataset/files/labelFile';
import { JournalViews } from '../../src/dataset/journal/journalView';
import { PROJECT_DEFAULTS } from '../../src/dataset/project/setUp';
import { ProjectRoot } from '../../src/dataset/projectRoot';
import { sha256 } from '../../src/disk/hashing';
import type { Edit } from '../../src/editor/document/labelDocument';
import { OpenImage } from '../../src/editor/image/openImage';
import type { Page } from '../../src/editor/image/pages';
import type { ViewApi } from '../../src/protocol/editorApi';
import type {
  DecodeRequest,
  EngineApi,
  ImageInfo,
  ReferenceMaskRequest,
  SegmentRequest,
} from '../../src/protocol/engineApi';
import type { Remote } from '../../src/rpc';
import { SIZE } from '../dataset/fixtures';
import { everyCapability } from '../fakes';
import { readReference } from '../masks';

const pixels = (values: readonly number[]): Mask => ({ size: SIZE, data: Uint8Array.from(values) });

/** What the fake segmenter draws: the pixel under each positive point. */
function drawn({ prompts: { points } }: DecodeRequest): Mask {
  const mask = pixels(new Array(SIZE.width * SIZE.height).fill(0));
  for (const { point, label } of points) {
    if (label === 1) mask.data[Math.floor(point.y) * SIZE.width + Math.floor(point.x)] = 1;
  }
  return mask;
}

export class FakeEditorEngine {
  readonly decoded: DecodeRequest[] = [];
  readonly segmented: SegmentRequest[] = [];
  size = SIZE;
  depth = 8;
  /** What every image is refused with. */
  broken: string | null = null;
  /** What Segment Image draws. */
  automatic: readonly number[] = [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0];
  /** How far to believe it, where the strategy judges. */
  trust: number | undefined;
  /** Whether the segmenter goes on from its answers. Its logits are the number of the question. */
  iterative = true;
  /** Awaited before each decoding. */
  gate: Promise<unknown> = Promise.resolve();

  readonly api = {
    displayOverview: async ({ image }: { image: string }) => ({ info: await this.info(image), file: '/overview.png' }),
    displayTiles: async () => ({ dir: '/tiles', tileSize: 512, levels: 1 }),
    inspectImage: ({ image }: { image: string }) => this.info(image),
    readLabels: readLabelFile,
    readReference: async (request: ReferenceMaskRequest) => readReference(request, await this.info(request.image)),
    decode: async (request: DecodeRequest) => {
      this.decoded.push(request);
      await this.gate;
      const maskPrompt = { size: { width: 1, height: 1 }, data: Float32Array.of(this.decoded.indexOf(request) + 1) };
      return {
        mask: toRuns(drawn(request)),
        iouPrediction: 0.8,
        ...(request.withMaskPrompt && { maskPrompt }),
        times: { total: 1 },
      };
    },
    segment: async (request: SegmentRequest) => {
      this.segmented.push(request);
      const candidate = { point: { x: 0.5, y: 0.5 }, label: 1, reason: 'kept', source: 'forward', instance: 0 };
      return {
        size: this.size,
        file: (await this.info(request.image)).file,
        outcome: this.automatic.includes(1) ? 'mask' : 'absent',
        mask: toRuns(pixels(this.automatic)),
        instances: [],
        prompts: [candidate, { ...candidate, label: 0, reason: 'thinned' }],
        iouPrediction: 0.7,
        ...(this.trust !== undefined && { trust: this.trust }),
        maskPrompt: { size: { width: 1, height: 1 }, data: Float32Array.of(1) },
        answerPrior: { size: { width: 1, height: 1 }, data: Float32Array.of(0.5) },
        notes: [],
        times: { total: 12.4 },
      };
    },
    prefetch: async () => undefined,
    info: async () => ({
      device: 'cpu',
      encoder: { id: 'e', sha256: 'e' },
      segmenter: { id: 's', sha256: 's' },
      capabilities: { ...everyCapability, iterative: this.iterative },
    }),
  } as unknown as Remote<EngineApi>;

  private async info(image: string): Promise<ImageInfo> {
    if (this.broken !== null) throw new UserError(this.broken);
    const bytes = await readFile(image);
    const file = { sha256: sha256(bytes), bytes: bytes.length, mtimeMs: 0 };
    return { size: this.size, file, format: 'png', depth: this.depth };
  }
}

/** A page that keeps what it is told. */
export function listeningPage(): Page & { readonly heard: { [M in keyof ViewApi]: Parameters<ViewApi[M]>[0][] } } {
  const heard = { reset: [], update: [], showImage: [], showFacts: [], act: [], say: [] } as never as {
    [M in keyof ViewApi]: Parameters<ViewApi[M]>[0][];
  };
  const listen =
    <M extends keyof ViewApi>(method: M) =>
    (params: Parameters<ViewApi[M]>[0]) =>
      void heard[method].push(params);
  return {
    heard,
    view: {
      reset: listen('reset'),
      update: listen('update'),
      showImage: listen('showImage'),
      showFacts: listen('showFacts'),
      act: listen('act'),
      say: listen('say'),
    },
    addressOf: (file) => `webview:${file}`,
  };
}

/** Opens an image (posix path relative to `root`) and collects its edits. */
export async function openImage(
  root: string,
  image: string,
  engine = new FakeEditorEngine(),
  options: Parameters<typeof OpenImage.open>[2] = {},
) {
  const edits: { label: string; edit: Edit }[] = [];
  const logged: string[] = [];
  const path = join(root, ...image.split('/'));
  const projectRoot = new ProjectRoot(root, new JournalViews(), () => PROJECT_DEFAULTS);
  const place = { root: projectRoot, image: relativePath(root, path), path, mask: await projectRoot.maskPath(image) };
  const host = {
    engine: engine.api,
    onEngine: () => undefined,
    onEdit: (edit: Edit) => void edits.push({ label: edit.label, edit }),
    onChange: () => undefined,
    log: (line: string) => void logged.push(line),
  };
  const open = await OpenImage.open(place, host, options);
  return { open, engine, edits, logged, values: () => [...open.document.labels.data] };
}
