/**
 * Stage *competition*: classes compete for the pixels of an image; each was segmented for itself, and a pixel that
 * several claim goes to the one that claims it most strongly.
 *
 * One decoder answers for all classes, so its logits are the log odds that a pixel belongs to what was asked for, and
 * can be compared as they are. Weighing them by trust in the class was tried (test/bench/classes.ts: seven pairs of
 * sets, 28 pictures with both classes and 56 with one): with the log odds of trust added, the mean Dice where both are
 * there falls from 0.777 to 0.764, because a kind of object that is hard everywhere loses pixels to its easy neighbour,
 * and where one is absent it is the same (0.781 and 0.783).
 */
import { area, describeSize, type Size, sameSize } from '../geometry';
import { cursorOf } from './labelMap';
import type { RunMask } from './mask';
import { bilinearSampler, type FloatMap } from './raster';

/** What one class claims. */
interface Contender {
  /** In targetPx: the pixels at which one of the maps, resized to them, is above 0. */
  readonly mask: RunMask;
  /** Logits over the whole image at the decoder's resolution, one map per object that was asked for. */
  readonly logits: readonly FloatMap[];
}

/**
 * What is left to each contender: masks without a pixel in common whose union is that of all claims. A contested pixel
 * goes to the highest logit of any map, resized to targetPx; of equals to the first. Takes the time of the runs, and of
 * the contested pixels.
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
  const claims = contenders.map(({ logits }) => claimOf(logits, size));
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

function claimOf(logits: readonly FloatMap[], size: Size): Claim {
  const samplers = logits.map((map) => bilinearSampler(map, size));
  return (x, y) => samplers.reduce((most, sample) => Math.max(most, sample(x, y)), Number.NEGATIVE_INFINITY);
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

/** Run lengths from ascending spans. */
export class RunBuilder {
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
