/** The models of an engine: opened when they are first needed, on the device that was asked for. */
import { setImmediate } from 'node:timers/promises';
import { ModelStore } from '../../models/modelStore';
import type { EngineConfig } from '../../protocol/engineApi';
import type { InferenceQueue } from '../runtime/inferenceQueue';
import { inPhase } from '../runtime/workClock';
import { openPlaced, type Placed } from './enginePlacement';
import { type LoadedEncoder, type LoadedModels, loadEncoder, loadModels } from './loadedModels';

export class EngineModels {
  private readonly store: ModelStore;
  private models: Promise<LoadedModels> | undefined;
  private placed: Placed<LoadedModels> | undefined;
  /** Until both models are open. */
  private lone: Promise<LoadedEncoder> | undefined;

  /** @param events told when both were opened and when one had to move, and with a sentence why. */
  constructor(
    private readonly config: EngineConfig,
    private readonly inference: InferenceQueue,
    private readonly events: { placed(): void; note(note: string): void },
  ) {
    this.store = new ModelStore(config.modelsDir, config.homeDir);
  }

  /** A failure is forgotten, so that it can be tried again. */
  loaded(): Promise<LoadedModels> {
    this.models ??= inPhase('prepares', () => this.openModels()).catch((error: unknown) => {
      this.models = undefined;
      throw error;
    });
    const { models } = this;
    return inPhase('waits', () => models);
  }

  /** The encoder alone where nobody has asked for a segmenter yet: some are a hundred times its size. */
  encoder(): Promise<LoadedEncoder> {
    if (this.models && !this.lone) return this.loaded();
    this.lone ??= inPhase('prepares', () => this.openEncoder()).catch((error: unknown) => {
      this.lone = undefined;
      throw error;
    });
    const { lone } = this;
    return inPhase('waits', () => lone);
  }

  /** Where they are. Only after `loaded`. */
  inUse(): ReturnType<Placed<LoadedModels>['inUse']> {
    return this.placed!.inUse();
  }

  private async openModels(): Promise<LoadedModels> {
    // What changes while the models are opened is told when all are.
    let tell = () => {};
    const open = () => loadModels(this.store, this.config, this.config.threads);
    this.placed = await openPlaced(this.config, open, (note) => {
      this.events.note(note);
      tell();
    });
    tell = this.events.placed;
    void setImmediate().then(tell);
    this.releaseLone();
    return this.placed.models;
  }

  private async openEncoder(): Promise<LoadedEncoder> {
    const open = () => loadEncoder(this.store, this.config.encoder, this.config.threads);
    return (await openPlaced(this.config, open, this.events.note)).models;
  }

  /** Another encoder is open beside the segmenter: on one device with it, whatever that had to be. */
  private releaseLone(): void {
    const { lone } = this;
    this.lone = undefined;
    // After what it is encoding. Whoever waited for it has been told where it could not be opened.
    void lone?.then(({ encoder }) => this.inference.run(() => encoder.dispose())).catch(() => undefined);
  }
}
