/**
 * Classes that compete for the pixels of an image: each was segmented for itself, and a pixel that several claim goes to
 * the one that claims it most strongly.
 *
 * One decoder answers for all classes, so its logits can be compared: each is the log odds that a pixel belongs to the
 * object it was asked for, *given that the object is there*. How likely that is, is what trust says of the class in this
 * image, so its log odds are added: a class that is doubtful in an image has to be the surer of a pixel to get it from one that is
 * certainly there.
 */
import { area, describeSize, type Size, sameSize } from './geometry';
import { cursorOf } from './labelMap';
import type { RunMask } from './mask';
import { bilinearSampler, type FloatMap } from './raster';

/** What one class claims. */
export interface Contender {
  /** In targetPx: the pixels at which one of the maps, resized to them, is above 0. */
  readonly mask: RunMask;
  /** Logits over the whole image at the decoder's resolution, one map per object that was asked for. */
  readonly logits: readonly FloatMap[];
  /** 0 to 1; undefined where nobody judged. */
  readonly trust?: number | undefined;
}

/** Trust beyond these is as good as none or all. */
const LEAST_TRUST = 0.01;

/**
 * What is left to each contender: masks without a pixel in common whose union is that of all claims. A contested pixel goes
 * to the highest sum of logit (of its best map, resized to targetPx) and log odds of trust; of equals to the first. Trust
 * counts only where all contenders have it. Takes the time of the runs, and of the contested pixels.
 */
export function compete(contenders: readonly Contender[]): RunMask[] {
  if (contenders.length < 2) return contenders.map(({ mask }) => mask);
  const { size } = contenders[0].mask;
  const stray = contenders.find(({ mask }) => !sameSize(mask.size, size));
  if (stray !== undefined) {
    throw new RangeError(
      `masks are ${describeSize(size)} and ${describeSize(stray.mask.size)}, expected the same size`,
    );
  }
  const judged = contenders.every(({ trust }) => trust !== undefined);
  const claims = contenders.map(({ logits, trust }) => claimOf(logits, size, judged ? logOdds(trust!) : 0));
  const cursors = contenders.map(({ mask }) => cursorOf(mask));
  const won = contenders.map(() => new RunBuilder(size));
  const pixels = area(size);
  for (let at = 0; at < pixels; ) {
    let end = pixels;
    const claiming: number[] = [];
    cursors.forEach((cursor, index) => {
      while (cursor.end <= at) cursor.next();
      if (cursor.isForeground) claiming.push(index);
      end = Math.min(end, cursor.end);
    });
    if (claiming.length === 1) won[claiming[0]].add(at, end);
    if (claiming.length > 1) {
      for (; at < end; at++)
        won[strongest(claims, claiming, at % size.width, Math.floor(at / size.width))].add(at, at + 1);
    }
    at = end;
  }
  return won.map((builder) => builder.finish());
}

type Claim = (x: number, y: number) => number;

function claimOf(logits: readonly FloatMap[], size: Size, advantage: number): Claim {
  const samplers = logits.map((map) => bilinearSampler(map, size));
  return (x, y) =>
    samplers.reduce((most, sample) => Math.max(most, sample(x, y)), Number.NEGATIVE_INFINITY) + advantage;
}

function strongest(claims: readonly Claim[], claiming: readonly number[], x: number, y: number): number {
  let best = claiming[0];
  let most = claims[best](x, y);
  for (const index of claiming.slice(1)) {
    const claim = claims[index](x, y);
    if (claim <= most) continue;
    best = index;
    most = claim;
  }
  return best;
}

function logOdds(trust: number): number {
  const bounded = Math.min(1 - LEAST_TRUST, Math.max(LEAST_TRUST, trust));
  return Math.log(bounded / (1 - bounded));
}

/** Run lengths from ascending spans. */
class RunBuilder {
  private readonly runs: number[] = [];
  /** The foreground that is not among the runs yet. */
  private start = 0;
  private end = 0;
  /** Where the last of the runs ends. */
  private done = 0;

  constructor(private readonly size: Size) {}

  add(start: number, end: number): void {
    if (start > this.end || this.start === this.end) {
      this.flush();
      this.start = start;
    }
    this.end = end;
  }

  finish(): RunMask {
    this.flush();
    const rest = area(this.size) - this.done;
    if (rest > 0) this.runs.push(rest);
    return { size: this.size, runs: Uint32Array.from(this.runs) };
  }

  private flush(): void {
    if (this.start === this.end) return;
    this.runs.push(this.start - this.done, this.end - this.start);
    this.done = this.end;
  }
}
