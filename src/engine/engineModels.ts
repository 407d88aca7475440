/** The models of an engine: opened on first use, on the device that was asked for. */
import { setImmediate } from 'node:timers/promises';
import { ModelStore } from '../models/modelStore';
import type { EngineConfig } from '../protocol/engineApi';
import { openPlaced, type Placed } from './enginePlacement';
import { type LoadedModels, loadModels } from './loadedModels';

export class EngineModels {
  private readonly store: ModelStore;
  private models: Promise<LoadedModels> | undefined;
  private placed: Placed<LoadedModels> | undefined;

  /** @param onPlaced called when they were opened, and when one had to move. */
  constructor(
    private readonly config: EngineConfig,
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
    return this.placed.models;
  }
}
