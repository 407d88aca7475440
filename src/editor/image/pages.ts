/** The pages that show an open image. All are told the same, but for the pixels that one of them has painted itself. */
import type { LabelChange } from '../../core/drawing/labelChange';
import { type LabelMap, toLabelRuns } from '../../core/pixels/labelMap';
import type {
  AutomaticResult,
  DisplayImage,
  DocumentFacts,
  EditorState,
  PromptSession,
  ViewApi,
} from '../../protocol/editorApi';

/** A page that shows the image, as the document sees it. */
export interface Page {
  readonly view: { [M in keyof ViewApi]: (params: Parameters<ViewApi[M]>[0]) => void };
  /** Addresses of files as the page can load them. */
  addressOf(file: string): string;
}

/** What pages show, asked for whenever they are told of it. */
export interface PageContent {
  displayFor(page: Page): DisplayImage;
  readonly labels: LabelMap;
  readonly automatic: AutomaticResult | null;
  readonly session: PromptSession | null;
  readonly facts: DocumentFacts;
}

export class Pages {
  private readonly pages = new Set<Page>();
  /** The page whose own pixels are being applied: it shows them already. */
  private painting: Page | undefined;

  constructor(private readonly content: PageContent) {}

  /** Shows the document on a page until the answer is called. */
  connect(page: Page): () => void {
    this.pages.add(page);
    return () => void this.pages.delete(page);
  }

  /** Nobody looks any more. */
  close(): void {
    this.pages.clear();
  }

  stateFor(page: Page): EditorState {
    const { labels, automatic, session, facts } = this.content;
    return {
      image: this.content.displayFor(page),
      labels: toLabelRuns(labels),
      automatic,
      session: session && plainSession(session),
      facts,
    };
  }

  /** Runs what applies pixels that a page shows already. */
  paintedBy<T>(page: Page, apply: () => T): T {
    this.painting = page;
    try {
      return apply();
    } finally {
      this.painting = undefined;
    }
  }

  /** Tells of a change of the document; null: of its state alone. */
  publish(change: LabelChange | null): void {
    const { automatic, session, facts } = this.content;
    const plain = session && plainSession(session);
    for (const page of this.pages) {
      page.view.update({ change: page === this.painting ? null : change, automatic, session: plain, facts });
    }
  }

  /** Shows everything anew. */
  reset(): void {
    for (const page of this.pages) page.view.reset(this.stateFor(page));
  }

  showImage(): void {
    for (const page of this.pages) page.view.showImage(this.content.displayFor(page));
  }

  showFacts(): void {
    for (const { view } of this.pages) view.showFacts(this.content.facts);
  }

  /** Says a sentence on every page. */
  say(text: string, busy = false): void {
    for (const { view } of this.pages) view.say({ text, busy });
  }
}

/** Without mask prompts, which no page has a use for. */
function plainSession({ classId, points, box, origin, base, iouPrediction }: PromptSession): PromptSession {
  return { classId, points, box, origin, base, iouPrediction };
}
