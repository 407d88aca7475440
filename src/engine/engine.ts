/** The engine's calls bound to the adapters: what the process answers, apart from how it is reached. */

import { readLabelMap } from '../core/maskFiles/maskReading';
import { toLabelRuns } from '../core/pixels/labelMap';
import { describeImage } from '../core/tokens/labelNext';
import { closeHome, homeCacheDir } from '../disk/home';
import type {
  ClassesRequest,
  DecodeRequest,
  DecodeResult,
  DisplayOverview,
  DisplayRequest,
  EngineApi,
  EngineConfig,
  EngineEvents,
  EngineInfo,
  FileLabels,
  IntensityWindow,
  LabelsRequest,
  ReferenceInfo,
  ReferenceMask,
  ReferenceMaskRequest,
  ReferenceRequest,
  SegmentRequest,
  SegmentResult,
  TileFiles,
} from '../protocol/engineApi';
import type { Handlers } from '../rpc';
import { ClassSegmentation } from './classSegmentation';
import { TensorCache } from './images/cache';
import { EncodedFiles } from './images/encodedFiles';
import { EngineModels } from './models/engineModels';
import { Display } from './pictures/display';
import { openImage } from './pictures/imageFile';
import { sampleWindow } from './pictures/imagePixels';
import { imageLibraryVersions, initLibvips } from './pictures/libvips';
import { readMaskSamples, readReferenceMask } from './pictures/maskIo';
import { saveOverlay } from './pictures/overlay';
import { PreparedReferences } from './preparedReferences';
import { PromptDecoding } from './promptDecoding';
import { InferenceQueue } from './runtime/inferenceQueue';
import { runtimeVersion } from './runtime/onnxRuntime';

/** Says that kept descriptors were made this way; to be raised with any change of it. */
const DESCRIPTOR_REVISION = 'descriptor-1';

export class Engine implements Handlers<EngineApi> {
  private readonly cache: TensorCache;
  private readonly display: Display;
  private readonly models: EngineModels;
  private readonly files: EncodedFiles;
  private readonly references: PreparedReferences;
  private readonly segmentation: ClassSegmentation;
  private readonly decoding: PromptDecoding;

  /** @param events told where the models are, when they were opened and when one had to move. */
  constructor(
    private readonly config: EngineConfig,
    events?: Pick<EngineEvents, 'placed' | 'note'>,
  ) {
    initLibvips();
    const { homeDir, cacheBytes, pixelLimit, threads } = config;
    const inference = new InferenceQueue();
    void closeHome(homeDir);
    this.cache = new TensorCache(homeCacheDir(homeDir), cacheBytes);
    this.display = new Display(homeDir, cacheBytes, pixelLimit);
    this.models = new EngineModels(config, inference, {
      placed: () => {
        if (events) this.info().then(events.placed, () => undefined);
      },
      note: (note) => events?.note({ note }),
    });
    this.files = new EncodedFiles(this.models, this.cache, inference, pixelLimit);
    this.references = new PreparedReferences(this.models, this.files, this.cache, inference, threads);
    this.segmentation = new ClassSegmentation(this.models, this.references, this.files, inference, pixelLimit);
    this.decoding = new PromptDecoding(this.models, this.files, inference);
  }

  async info(): Promise<EngineInfo> {
    const { encoderModel, segmenterModel, segmenter } = await this.models.loaded();
    return {
      pid: process.pid,
      node: process.versions.node,
      onnxruntime: runtimeVersion(),
      ...imageLibraryVersions(),
      threads: this.config.threads,
      ...this.models.inUse(),
      encoder: { id: encoderModel.entry.id, sha256: encoderModel.sha256 },
      segmenter: { id: segmenterModel.entry.id, sha256: segmenterModel.sha256 },
      capabilities: segmenter.capabilities,
      peakRss: process.resourceUsage().maxRSS * 1024,
    };
  }

  async inspectImage({ image }: { image: string }) {
    return (await openImage(image, this.config.pixelLimit)).info;
  }

  sampleWindow({ images, bands }: Parameters<EngineApi['sampleWindow']>[0]): Promise<IntensityWindow> {
    return sampleWindow(images, this.config.pixelLimit, bands);
  }

  saveOverlay(request: Parameters<EngineApi['saveOverlay']>[0]): Promise<void> {
    return saveOverlay(request, this.config.pixelLimit);
  }

  displayOverview(request: DisplayRequest, signal: AbortSignal): Promise<DisplayOverview> {
    return this.display.overview(request, signal);
  }

  displayTiles(request: DisplayRequest, signal: AbortSignal): Promise<TileFiles> {
    return this.display.tiles(request, signal);
  }

  async prepareReference(request: ReferenceRequest, signal: AbortSignal): Promise<ReferenceInfo> {
    return (await this.references.get(request, signal)).info;
  }

  async segment(request: SegmentRequest, signal: AbortSignal): Promise<SegmentResult> {
    const { reference, moreReferences, ...shared } = request;
    // A single class has nobody to compete with: its id does not matter.
    const only = { classId: 1, reference, ...(moreReferences && { moreReferences }) };
    const [result] = await this.segmentClasses({ ...shared, classes: [only] }, signal);
    return result!;
  }

  segmentClasses(request: ClassesRequest, signal: AbortSignal): Promise<SegmentResult[]> {
    return this.segmentation.segment(request, signal);
  }

  decode(request: DecodeRequest, signal: AbortSignal): Promise<DecodeResult> {
    return this.decoding.decode(request, signal);
  }

  prefetch(request: Parameters<EngineApi['prefetch']>[0], signal: AbortSignal): Promise<void> {
    return this.decoding.prefetch(request, signal);
  }

  async describeImage(request: Parameters<EngineApi['describeImage']>[0], signal: AbortSignal) {
    const { info, key } = await this.files.identify(request.image, request);
    const descriptorKey = [...key, DESCRIPTOR_REVISION];
    const known = (await this.cache.get(descriptorKey))?.descriptor;
    if (known) return { file: info.file, descriptor: known.data };
    const target = await this.files.target(request, false, signal, {}, false);
    const descriptor = describeImage(target.encoding.tokens);
    await this.cache.put([...target.key, DESCRIPTOR_REVISION], {
      descriptor: { dims: [descriptor.length], data: descriptor },
    });
    return { file: target.info.file, descriptor };
  }

  readReference(request: ReferenceMaskRequest): Promise<ReferenceMask> {
    return readReferenceMask(request, this.config.pixelLimit);
  }

  async readLabels({ mask, classIds = [], isForeign = false }: LabelsRequest): Promise<FileLabels> {
    const { samples, sha256 } = await readMaskSamples(mask, this.config.pixelLimit);
    const { labels, ...about } = readLabelMap(samples, { classIds, isForeign }, mask);
    return { labels: toLabelRuns(labels), sha256, ...about };
  }
}
