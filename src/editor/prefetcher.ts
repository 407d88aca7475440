/** Encodes the images that a person is going to open next, so that they answer at once. */
import { Owner } from '../dispose';
import type { Engines } from './engines/engines';
import { viewOf } from './image/imageFiles';
import type { LabelDocumentHandle } from './openDocuments';
import type { LabelEditorProvider } from './provider';

/** Where the next images come from: the order of the review. */
export interface Upcoming {
  /** Absolute paths of the next images after an open one, at most `count`. */
  upcoming(document: LabelDocumentHandle, count: number): Promise<readonly string[]>;
}

/** The open image comes first: its own tiles and embedding are made in the meantime. */
const IDLE_MS = 500;

export class Prefetcher extends Owner {
  private waiting: NodeJS.Timeout | undefined;
  private running = new AbortController();

  /** @param count asked each time; 0 prefetches nothing */
  constructor(
    provider: LabelEditorProvider,
    private readonly order: Upcoming,
    private readonly engines: Engines,
    private readonly count: () => number,
  ) {
    super();
    this.register(provider.onDidChangeActive((document) => this.schedule(document)));
    this.register({ dispose: () => this.schedule(undefined) });
  }

  private schedule(document: LabelDocumentHandle | undefined): void {
    clearTimeout(this.waiting);
    // A cancelled call keeps its engine for as long as the stage in hand; nothing is lost.
    this.running.abort(new Error('another image is open'));
    this.running = new AbortController();
    if (document === undefined || document.image.readOnly !== null) return;
    const { signal } = this.running;
    this.waiting = setTimeout(() => {
      // What fails here fails again, and is told, when the image is opened.
      this.prefetch(document, signal).catch(() => undefined);
    }, IDLE_MS);
  }

  private async prefetch(document: LabelDocumentHandle, signal: AbortSignal): Promise<void> {
    const { root } = document.image.place;
    const project = await root.project();
    const engine = this.engines.of(project);
    const { bands } = project;
    for (const image of await this.order.upcoming(document, this.count())) {
      await engine.prefetch({ image, ...viewOf(project) }, { signal });
      if (signal.aborted) return;
      // Without the signal: an engine that overstays a cancelled call would be killed, and tiles take long.
      await engine.displayTiles({ image, ...(bands && { bands }) });
    }
  }
}
