/** Progress on stderr: a bar on a terminal, a plain line now and then otherwise. */
import { type BatchProgress, finished } from '../dataset/batch/batchProgress';
import type { CommandContext } from './command';
import { printable } from './printable';

/** Between two redraws of the bar, and between two plain lines, in milliseconds. */
const REDRAW_MS = 100;
const PLAIN_LINE_MS = 5_000;

export class ProgressLine {
  private last = Number.NEGATIVE_INFINITY;
  private drawn = false;

  constructor(
    private readonly context: Pick<CommandContext, 'err' | 'columns'>,
    private readonly write: (text: string) => void = (text) => process.stderr.write(text),
  ) {}

  /** Says on a terminal what is being done before there is progress to show. */
  begin(doing: string): void {
    const { columns } = this.context;
    if (columns !== undefined) this.draw(printable(doing).slice(0, Math.max(0, columns - 1)));
  }

  update(progress: BatchProgress): void {
    this.show(describe(progress), progress.total === 0 ? 1 : finished(progress) / progress.total);
  }

  /** @param fraction of the work that is done, 0 to 1; null where nobody knows, and then there is no bar */
  show(said: string, fraction: number | null): void {
    const text = printable(said);
    const { columns, err } = this.context;
    const now = performance.now();
    if (now - this.last < (columns === undefined ? PLAIN_LINE_MS : REDRAW_MS)) return;
    this.last = now;
    if (columns === undefined) err(text);
    else this.draw(fraction === null ? text.slice(0, Math.max(0, columns - 1)) : bar(` ${text}`, fraction, columns));
  }

  /** Clears the bar so that other lines can be printed. */
  clear(): void {
    if (this.drawn) this.write('\r\u001b[2K');
    this.drawn = false;
  }

  private draw(text: string): void {
    this.write(`\r\u001b[2K${text}`);
    this.drawn = true;
  }
}

/** "120/3000, 14.2 images/s, 3 min 23 s left, 2 failed". */
export function describe(progress: BatchProgress): string {
  const { total, imagesPerSecond, etaSeconds, failed } = progress;
  return [
    `${finished(progress)}/${total}`,
    ...(imagesPerSecond === null ? [] : [`${imagesPerSecond.toFixed(1)} images/s`]),
    ...(etaSeconds === null ? [] : [`${duration(etaSeconds)} left`]),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(', ');
}

/** "1 h 02 min", "3 min 23 s" or "8 s". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return whole >= 60 ? `${Math.floor(whole / 60)} min ${two(whole % 60)} s` : `${whole} s`;
}

function bar(text: string, fraction: number, columns: number): string {
  const width = Math.max(0, Math.min(40, columns - text.length - 3));
  const full = Math.round(width * fraction);
  return `[${'█'.repeat(full)}${'░'.repeat(width - full)}]${text}`.slice(0, Math.max(0, columns - 1));
}
