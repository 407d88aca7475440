/** The sentence that the page shows: the host's last one, or one of the page's own, which hides that for a while. */

export interface Message {
  readonly text: string;
  readonly kind: 'plain' | 'busy' | 'error';
}

/** Milliseconds that a remark of the page itself is shown. */
const REMARK_FOR = 8000;

export class MessageLine {
  private said: Message = { text: '', kind: 'plain' };
  private remarked: Message | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly onChange: () => void) {}

  get shown(): Message {
    return this.remarked ?? this.said;
  }

  /** A sentence of the host. */
  say(message: Message): void {
    this.said = message;
    this.remarked = null;
    this.onChange();
  }

  /** A sentence of the page itself. */
  remark(message: Message): void {
    this.remarked = message;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.remarked = null;
      this.onChange();
    }, REMARK_FOR);
    this.onChange();
  }
}
