/** The models of an engine: opened when they are first needed, on the device that was asked for. */
import { setImmediate } from 'node:timers/promises';
import { ModelStore } from '../models/modelStore';
import type { EngineConfig } from '../protocol/engineApi';
import { openPlaced, type Placed } from './enginePlacement';
import type { InferenceQueue } from './inferenceQueue';
import { type LoadedEncoder, type LoadedModels, loadEncoder, loadModels } from './loadedModels';

export class EngineModels {
  private readonly store: ModelStore;
  private models: Promise<LoadedModels> | undefined;
  private placed: Placed<LoadedModels> | undefined;
  /** Until both models are open. */
  private lone: Promise<LoadedEncoder> | undefined;

  /** @param onPlaced called when both were opened, and when one had to move. */
  constructor(
    private readonly config: EngineConfig,
    private readonly inference: InferenceQueue,
    private readonly onPlaced: () => void,
  ) {
    this.store = new ModelStore(config.modelsDir, config.homeDir);
  }

  /** A failure is forgotten, so that it can be tried again. */
  loaded(): Promise<LoadedModels> {
    this.models ??= this.openModels().catch((error: unknown) => {
      this.models = undefined;
      throw error;
    });
    return this.models;
  }

  /** The encoder alone where nobody has asked for a segmenter yet: some are a hundred times its size. */
  encoder(): Promise<LoadedEncoder> {
    if (this.models && !this.lone) return this.models;
    this.lone ??= this.openEncoder().catch((error: unknown) => {
      this.lone = undefined;
      throw error;
    });
    return this.lone;
  }

  /** Where they are. Only after `loaded`. */
  inUse(): ReturnType<Placed<LoadedModels>['inUse']> {
    return this.placed!.inUse();
  }

  private async openModels(): Promise<LoadedModels> {
    // What changes while the models are opened is told when all are.
    let tell = () => {};
    const open = () => loadModels(this.store, this.config, this.config.threads);
    this.placed = await openPlaced(this.config, open, () => tell());
    tell = this.onPlaced;
    void setImmediate().then(tell);
    this.releaseLone();
    return this.placed.models;
  }

  private async openEncoder(): Promise<LoadedEncoder> {
    const open = () => loadEncoder(this.store, this.config.encoder, this.config.threads);
    return (await openPlaced(this.config, open, () => {})).models;
  }

  /** Another encoder is open beside the segmenter: on one device with it, whatever that had to be. */
  private releaseLone(): void {
    const { lone } = this;
    this.lone = undefined;
    // After what it is encoding. Whoever waited for it has been told where it could not be opened.
    void lone?.then(({ encoder }) => this.inference.run(() => encoder.dispose())).catch(() => undefined);
  }
}
