/** Questions to the segmenter, one at a time: while one is under way only the newest of the others waits. */
import type { PromptAnswer, PromptsEdit } from '../../src/protocol/editorApi';

/** What `EditorApi.prompt` takes. */
export interface PromptQuestion {
  /** Name of the edit in the undo stack. */
  readonly label: string;
  readonly prompts: PromptsEdit;
}

interface QueueEvents {
  /** `wanted` or `isBusy` has changed. */
  onChange(): void;
  /** The segmenter has answered and its pixels are in the labels. @param since when a person asked. */
  onAnswer(answer: PromptAnswer, since: number): void;
  onError(error: unknown): void;
}

interface Asked extends PromptQuestion {
  /** When a person asked, as `performance.now()`. */
  readonly since: number;
}

export class PromptQueue {
  private current: Asked | undefined;
  private next: Asked | undefined;
  private running: Promise<void> = Promise.resolve();
  /** Counts what has been dropped, so that a late answer to it is not taken for one to the present question. */
  private generation = 0;

  constructor(
    private readonly ask: (question: PromptQuestion) => Promise<PromptAnswer>,
    private readonly events: QueueEvents,
  ) {}

  /** The newest prompts asked about and not answered; what the document will have soon. */
  get wanted(): PromptsEdit | null {
    return (this.next ?? this.current)?.prompts ?? null;
  }

  get isBusy(): boolean {
    return this.current !== undefined;
  }

  /** Takes the place of a question that still waits. */
  push(question: PromptQuestion, since: number): void {
    const asked = { ...question, since };
    if (this.current) this.next = asked;
    else this.running = this.run(asked);
    this.events.onChange();
  }

  /** Resolves when nothing waits for an answer any more. */
  async settled(): Promise<void> {
    while (this.current) await this.running;
  }

  /** Forgets the questions: nobody wants the answers any more. */
  drop(): void {
    this.generation++;
    this.current = undefined;
    this.next = undefined;
    this.events.onChange();
  }

  private async run(first: Asked): Promise<void> {
    const { generation } = this;
    let asked: Asked | undefined = first;
    while (asked) {
      this.current = asked;
      this.next = undefined;
      const { label, prompts, since }: Asked = asked;
      try {
        const answer = await this.ask({ label, prompts });
        if (generation !== this.generation) return;
        if (answer.asked) this.events.onAnswer(answer, since);
      } catch (error) {
        if (generation !== this.generation) return;
        this.events.onError(error);
      }
      asked = this.next;
    }
    this.current = undefined;
    this.events.onChange();
  }
}
