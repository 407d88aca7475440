/** Which device models are opened on, and where they are. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { DeviceName } from '../../protocol/deviceApi';
import type { SessionFactory } from './onnxRuntime';

/** How messages name a model, and where it runs. */
export interface SessionPlace {
  readonly title: string;
  readonly device: DeviceName;
  /** Why it is not on the device that was meant, a sentence. */
  readonly note?: string;
}

export interface PlacementOptions {
  /** Receives a line for each session that is opened. */
  readonly log?: ((line: string) => void) | undefined;
  /** Receives a sentence for each session that had to move. */
  readonly warn?: ((note: string) => void) | undefined;
  /** Memory that the device says is in use, in bytes; undefined where it does not say. */
  readonly deviceMemory?: (device: DeviceName) => Promise<number | undefined>;
  /** False where a model that the device's memory is too small for is an error instead of a case for the CPU. */
  readonly mayMove?: boolean;
  readonly factory?: SessionFactory;
}

/**
 * Sends the sessions that are opened inside `run` to one device, however deep, so that adapters need not hand it on.
 * Graphs of our own (matching) are opened outside and stay on the CPU, where their indices are read at once.
 */
export class Placement {
  private static readonly current = new AsyncLocalStorage<Placement>();
  private readonly sessions = new Set<Placed>();

  constructor(
    readonly device: DeviceName,
    readonly options: PlacementOptions = {},
  ) {}

  static get active(): Placement | undefined {
    return Placement.current.getStore();
  }

  run<T>(open: () => Promise<T>): Promise<T> {
    return Placement.current.run(this, open);
  }

  /** Where the open sessions are. */
  get places(): SessionPlace[] {
    return [...this.sessions].map(({ place }) => place);
  }

  add(session: Placed): void {
    this.sessions.add(session);
  }

  remove(session: Placed): void {
    this.sessions.delete(session);
  }
}

/** A session that is open. */
interface Placed {
  readonly place: SessionPlace;
}
