/** The engine process that answers editors: one for each pair of models in use, started when it is first asked. */
import { Owner } from '../../dispose';
import { EngineClient } from '../../engineClient/client';
import type { EngineApi, EngineConfig, EngineInfo } from '../../protocol/engineApi';
import type { Remote } from '../../rpc';

interface EnginesOptions {
  /** Absolute path of the engine's bundle. */
  readonly entry: string;
  /** Asked at each start, so that changed settings count from then on. */
  readonly config: () => Omit<EngineConfig, 'encoder' | 'segmenter'>;
  readonly log: (line: string) => void;
  /** Told which device is in use whenever an engine has opened its models, or a model had to move. */
  readonly onPlaced?: (info: EngineInfo) => void;
}

/** Models as project.json names them. */
interface ModelIds {
  readonly encoder: string;
  readonly segmenter: string;
}

export class Engines extends Owner {
  private readonly clients = new Map<string, EngineClient>();

  constructor(private readonly options: EnginesOptions) {
    super();
    this.register({ dispose: () => Promise.all([...this.clients.values()].map((client) => client.dispose())) });
  }

  /** Lets every engine end what it does and start anew on its next call, with the settings as they are then. */
  async renew(): Promise<void> {
    await Promise.all([...this.clients.values()].map((client) => client.renew()));
  }

  /** The engine of a pair of models. */
  of({ encoder, segmenter }: ModelIds): Remote<EngineApi> {
    const key = JSON.stringify([encoder, segmenter]);
    let client = this.clients.get(key);
    if (!client) {
      const { entry, config, log, onPlaced } = this.options;
      const configured = () => ({ ...config(), encoder, segmenter });
      client = new EngineClient({ entry, config: configured, log, onOutput: log, onPlaced });
      this.clients.set(key, client);
    }
    return client;
  }
}
