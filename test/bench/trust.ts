/**
 * Trust against the truth, and its coefficients: npm run bench:trust -- <data dir> [options]
 *
 * <data dir> holds one folder per set, as for bench:accuracy. References of a set label its other images (`real`),
 * parts of these images that do not hold the object (`free`), parts of the same size that do (`part`, which a crop
 * alone must not make doubtful), and images of the other sets (`other`). Every set is judged with coefficients from all
 * others; those in src/core/tokens/trust.ts are the ones from all sets, printed at the end.
 */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import type { Box } from '../../src/core/geometry';
import { createMask, cropMask, fromRuns, type Mask, toRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import { spearman } from '../../src/core/rankCorrelation';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { TRUST_COEFFICIENTS, type TrustParts, trustTerms } from '../../src/core/tokens/trust';
import { type LabelledImage, labelledImages, summarise } from '../../src/dataset/evaluate';
import { spread } from '../../src/dataset/files/spread';
import type { EnginePool } from '../../src/engineClient/pool';
import { readCommandLine } from '../commandLine';
import { readMask } from '../masks';
import { seededRandom } from '../seeded';
import { environment, seededPick, startEngines } from './bench';
import { benches } from './benches';
import { printerOf } from './printer';

const { values, positionals } = readCommandLine(benches.trust);
const { table, say } = printerOf(values);

type Kind = 'real' | 'free' | 'part' | 'other';

/** One mask that was made, and what is known of it. */
interface Row {
  readonly kind: Kind;
  /** Set of the reference, and of the target. */
  readonly set: string;
  readonly targetSet: string;
  readonly dice: number;
  /** Null where the segmenter drew nothing. */
  readonly parts: TrustParts | null;
  /** As the program gave it; 0 where the segmenter drew nothing. */
  readonly trust: number;
  readonly milliseconds: number;
}

async function main(): Promise<void> {
  const rows = values.load === undefined ? await measure() : readRows(values.load);
  if (values.save !== undefined) {
    writeFileSync(values.save, '');
    for (const row of rows) appendFileSync(values.save, `${JSON.stringify(row)}\n`);
  }
  report(rows);
}

const readRows = (file: string): Row[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line): Row => JSON.parse(line));

// Measuring.

interface Target {
  readonly kind: Kind;
  readonly set: string;
  readonly image: string;
  readonly truth: Mask;
}

async function measure(): Promise<Row[]> {
  const [dataDir] = positionals;
  if (dataDir === undefined) {
    throw new RangeError('neither a data folder to measure on nor --load, see --help');
  }
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-trust-'));
  const engines = startEngines(Number(values.engines), 1, path.join(work, 'home'));
  try {
    const names = readdirSync(dataDir).filter((name) => statSync(path.join(dataDir, name)).isDirectory());
    const sets = new Map<string, readonly LabelledImage[]>();
    for (const name of names) sets.set(name, await labelledImages(path.join(dataDir, name)));
    const rows: Row[] = [];
    for (const [set, images] of sets) {
      for (const seed of values.seeds.split(',')) {
        const random = seededRandom(Number(seed));
        const references = seededPick(images, Number(values.references), random);
        for (const reference of references) {
          const targets = await targetsOf(set, reference, sets, work, random);
          rows.push(...(await label(engines, set, reference, targets)));
        }
      }
      const real = rows.filter((row) => row.set === set && row.kind === 'real');
      console.error(`${set}: Dice ${summarise(real.map((row) => row.dice)).mean.toFixed(3)}`);
    }
    say(environment(await engines.info()));
    return rows;
  } finally {
    await engines.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}

async function targetsOf(
  set: string,
  reference: LabelledImage,
  sets: ReadonlyMap<string, readonly LabelledImage[]>,
  work: string,
  random: () => number,
): Promise<Target[]> {
  const most = Number(values.absent);
  const others = sets.get(set)!.filter((image) => image !== reference);
  const targets: Target[] = [];
  for (const { image, mask } of spread(others, Number(values.targets))) {
    targets.push({ kind: 'real', set, image, truth: await readMask({ mask }, 1) });
  }
  let parts = 0;
  for (const one of seededPick(others, others.length, random)) {
    if (parts === most) break;
    const truth = await readMask(one, 1);
    const boxes = partsOf(truth, random);
    if (boxes === undefined) continue;
    parts++;
    for (const kind of ['free', 'part'] as const) {
      const box = boxes[kind];
      const image = path.join(
        work,
        `${set}-${path.parse(one.name).name}-${kind}-${Math.floor(random() * 2 ** 31)}.png`,
      );
      const size = { left: box.left, top: box.top, width: box.right - box.left, height: box.bottom - box.top };
      await sharp(one.image).rotate().extract(size).png({ compressionLevel: 2 }).toFile(image);
      targets.push({ kind, set, image, truth: cropMask(truth, box) });
    }
  }
  const foreign = [...sets].filter(([name]) => name !== set);
  for (const [name, images] of foreign.slice(0, most + 1)) {
    const one = images[Math.floor(random() * images.length)];
    const { size } = await readMask(one, 1);
    targets.push({ kind: 'other', set: name, image: one.image, truth: createMask(size) });
  }
  return targets;
}

/**
 * Sides of a part as a share of the image's: below, everything is seen so enlarged that it is another kind of image.
 */
const PART_SHARES = [0.7, 0.6, 0.5, 0.4];

/** Positions that are tried along each side. */
const POSITIONS = 17;

/**
 * The largest part of an image without a labelled pixel, one of its positions by chance, and the part of the same size
 * that holds most of the object. Undefined where the object leaves no room.
 */
function partsOf(truth: Mask, random: () => number): { free: Box; part: Box } | undefined {
  const { width, height } = truth.size;
  const stride = width + 1;
  // Labelled pixels above and left of each corner of the pixel grid.
  const sums = new Int32Array(stride * (height + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0, row = 0; x < width; x++) {
      row += truth.data[y * width + x];
      sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
    }
  }
  const count = ({ left, top, right, bottom }: Box) =>
    sums[bottom * stride + right] -
    sums[top * stride + right] -
    sums[bottom * stride + left] +
    sums[top * stride + left];
  for (const share of PART_SHARES) {
    const side = { width: Math.round(width * share), height: Math.round(height * share) };
    const boxes: Box[] = [];
    for (let k = 0; k < POSITIONS * POSITIONS; k++) {
      const left = Math.floor(((width - side.width) * (k % POSITIONS)) / (POSITIONS - 1));
      const top = Math.floor(((height - side.height) * Math.floor(k / POSITIONS)) / (POSITIONS - 1));
      boxes.push({ left, top, right: left + side.width, bottom: top + side.height });
    }
    const free = boxes.filter((box) => count(box) === 0);
    if (free.length === 0) continue;
    const part = boxes.reduce((best, box) => (count(box) > count(best) ? box : best));
    return { free: free[Math.floor(random() * free.length)], part };
  }
  return undefined;
}

async function label(
  engines: EnginePool,
  set: string,
  reference: LabelledImage,
  targets: readonly Target[],
): Promise<Row[]> {
  const mask = toRuns(await readMask(reference, 1));
  const request = {
    reference: { image: reference.image, mask },
    strategy: 'ap-medsam',
    parameters: { ...DEFAULT_PARAMETERS, minTrust: 0 },
  } as const;
  const rows: Row[] = [];
  const queue = targets.entries();
  const lane = async () => {
    for (const [index, { kind, set: targetSet, image, truth }] of queue) {
      const { mask: drawn, trust = 0, trustParts = null, times } = await engines.segment({ ...request, image });
      const about = { kind, set, targetSet, dice: dice(fromRuns(drawn), truth) };
      rows[index] = { ...about, parts: trustParts, trust, milliseconds: times.trust ?? 0 };
    }
  };
  await Promise.all(Array.from({ length: engines.lanes }, lane));
  return rows;
}

// Fitting.

/** [outline bias, stability, border kept, presence bias, forward similarity, prior contrast], as in trust.ts. */
type Coefficients = readonly number[];

/** Those before are the outline's. */
const PRESENCE = 3;

const termsOf = (parts: TrustParts): number[] => {
  const { stability, borderKept, forwardSimilarity, priorContrast } = trustTerms(parts);
  return [1, stability, borderKept, 1, forwardSimilarity, priorContrast];
};

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

function factors(coefficients: Coefficients, terms: readonly number[]): [outline: number, presence: number] {
  let outline = 0;
  let presence = 0;
  terms.forEach((term, k) => {
    if (k < PRESENCE) outline += coefficients[k] * term;
    else presence += coefficients[k] * term;
  });
  return [sigmoid(outline), sigmoid(presence)];
}

/** What a row's kind weighs in the fit, shared by the rows of the kind in a set: sets of any size weigh the same. */
const WEIGHTS: Readonly<Record<Kind, number>> = { real: 1, part: 0.2, free: 0.3, other: 0.3 };

const PENALTY = 1e-4;

/**
 * Cross-entropy between trust and Dice (0 where the object is absent), with a small penalty on standardised
 * coefficients; minimised by BFGS (Broyden, Fletcher, Goldfarb, Shanno 1970) from a fixed start.
 */
function fitTrust(rows: readonly Row[]): Coefficients {
  const judged = rows.filter(({ parts }) => parts !== null);
  const counts = new Map<string, number>();
  for (const { set, kind } of judged) counts.set(`${set} ${kind}`, (counts.get(`${set} ${kind}`) ?? 0) + 1);
  const raw = judged.map(({ set, kind }) => WEIGHTS[kind] / counts.get(`${set} ${kind}`)!);
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  const weights = raw.map((weight) => weight / total);
  const goals = judged.map((row) => (row.kind === 'real' || row.kind === 'part' ? row.dice : 0));
  const terms = judged.map(({ parts }) => termsOf(parts!));
  const isBias = (k: number) => k === 0 || k === PRESENCE;
  const mean = terms[0].map((_, k) => (isBias(k) ? 0 : terms.reduce((sum, row, i) => sum + weights[i] * row[k], 0)));
  const deviation = terms[0].map((_, k) =>
    isBias(k) ? 1 : Math.sqrt(terms.reduce((sum, row, i) => sum + weights[i] * (row[k] - mean[k]) ** 2, 0)),
  );
  const standard = terms.map((row) => row.map((term, k) => (term - mean[k]) / deviation[k]));

  const loss = (b: readonly number[]): { value: number; gradient: number[] } => {
    let value = 0;
    const gradient = b.map((coefficient, k) => (isBias(k) ? 0 : PENALTY * coefficient));
    b.forEach((coefficient, k) => {
      if (!isBias(k)) value += (PENALTY * coefficient ** 2) / 2;
    });
    standard.forEach((row, i) => {
      const [outline, presence] = factors(b, row);
      const trust = Math.min(1 - 1e-6, Math.max(1e-6, outline * presence));
      value -= weights[i] * (goals[i] * Math.log(trust) + (1 - goals[i]) * Math.log(1 - trust));
      const slope = (weights[i] * (trust - goals[i])) / (1 - trust);
      row.forEach((term, k) => {
        gradient[k] += slope * (1 - (k < PRESENCE ? outline : presence)) * term;
      });
    });
    return { value, gradient };
  };

  const found = minimise(loss, [1.5, 0, 0, 2, 0, 0]);
  const plain = found.map((coefficient, k) => coefficient / deviation[k]);
  plain.forEach((coefficient, k) => {
    if (!isBias(k)) plain[k < PRESENCE ? 0 : PRESENCE] -= coefficient * mean[k];
  });
  return plain;
}

function minimise(
  loss: (at: readonly number[]) => { value: number; gradient: number[] },
  start: readonly number[],
): number[] {
  const size = start.length;
  let at = [...start];
  let now = loss(at);
  let inverse: number[][] = start.map((_, i) => start.map((_, j) => (i === j ? 1 : 0)));
  const times = (matrix: number[][], v: number[]) =>
    matrix.map((row) => row.reduce((sum, value, k) => sum + value * v[k], 0));
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, k) => sum + value * b[k], 0);
  for (let round = 0; round < 300 && Math.hypot(...now.gradient) > 1e-9; round++) {
    const direction = times(inverse, now.gradient).map((value) => -value);
    let step = 1;
    let next = loss(at.map((value, k) => value + step * direction[k]));
    while (!(next.value <= now.value + 1e-4 * step * dot(now.gradient, direction)) && step > 1e-12) {
      step /= 2;
      next = loss(at.map((value, k) => value + step * direction[k]));
    }
    if (step <= 1e-12) break;
    const s = direction.map((value) => step * value);
    const y = next.gradient.map((value, k) => value - now.gradient[k]);
    const curvature = dot(s, y);
    if (curvature > 1e-14) {
      const Hy = times(inverse, y);
      const scale = (1 + dot(y, Hy) / curvature) / curvature;
      inverse = Array.from({ length: size }, (_, i) =>
        Array.from(
          { length: size },
          (_, j) => inverse[i][j] + scale * s[i] * s[j] - (Hy[i] * s[j] + s[i] * Hy[j]) / curvature,
        ),
      );
    }
    at = at.map((value, k) => value + s[k]);
    now = next;
  }
  return at;
}

function judge(coefficients: Coefficients, { parts }: Row): number {
  if (parts === null) return 0;
  const [outline, presence] = factors(coefficients, termsOf(parts));
  return outline * presence;
}

// Reporting.

interface Judged extends Row {
  /** With coefficients from the other sets. */
  readonly held: number;
}

function report(rows: readonly Row[]): void {
  const sets = [...new Set(rows.map(({ set }) => set))];
  const judged = sets.flatMap((set): Judged[] => {
    // An image of this set among the other kinds of another one would be no stranger either.
    const coefficients = fitTrust(rows.filter((row) => row.set !== set && row.targetSet !== set));
    return rows.filter((row) => row.set === set).map((row) => ({ ...row, held: judge(coefficients, row) }));
  });
  const minTrust = Number(values['min-trust']);
  const line = (name: string, of: readonly Judged[]): string[] => {
    const ofKind = (kind: Kind) => of.filter((row) => row.kind === kind);
    const real = ofKind('real');
    const bad = real.filter(isBad);
    const worst = [...real].sort((a, b) => a.held - b.held).slice(0, Math.round(real.length / 5));
    const flagged = (some: readonly Judged[]) => share(some.filter((row) => row.held < minTrust).length, some.length);
    return [
      name,
      String(real.length),
      summarise(real.map((row) => row.dice)).mean.toFixed(2),
      summarise(real.map((row) => row.held)).mean.toFixed(2),
      rho(real).toFixed(2),
      String(bad.length),
      share(worst.filter(isBad).length, bad.length),
      flagged(real),
      flagged(real.filter((row) => !isBad(row))),
      flagged(ofKind('free')),
      flagged(ofKind('part').filter((row) => !isBad(row))),
      flagged(ofKind('other')),
    ];
  };
  const cells = sets.map((set) =>
    line(
      set,
      judged.filter((row) => row.set === set),
    ),
  );
  const all = line('all', judged);
  all[4] = summarise(
    sets.map((set) => rho(judged.filter((row) => row.set === set && row.kind === 'real'))),
  ).mean.toFixed(2);
  table(
    `Trust on sets that the fit has not seen, called absent below ${minTrust}`,
    [
      'set',
      'targets',
      'Dice',
      'trust',
      'rho',
      'Dice < 0.5',
      'of them in the worst fifth',
      'absent: targets',
      'targets with Dice >= 0.5',
      'parts without the object',
      'parts with it, Dice >= 0.5',
      'images of other sets',
    ],
    [...cells, all],
  );
  calibration(judged.filter(({ kind }) => kind === 'real'));
  const times = rows.filter(({ parts }) => parts !== null).map(({ milliseconds }) => milliseconds);
  say(`Judging takes ${summarise(times).median.toFixed(2)} ms (median).`);
  const [outlineBias, stability, border, presenceBias, forward, contrast] = fitTrust(rows).map((value) =>
    value.toFixed(3),
  );
  say(
    `From all sets:

  outline: { bias: ${outlineBias}, stability: ${stability}, borderKept: ${border} },
  presence: { bias: ${presenceBias}, forwardSimilarity: ${forward}, priorContrast: ${contrast} },`,
  );
  say(`In src/core/tokens/trust.ts: ${JSON.stringify(TRUST_COEFFICIENTS)}`);
}

/** How much Dice images really had, by what was expected of them. */
function calibration(rows: readonly Judged[]): void {
  const edges = [0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.001];
  const bins = edges.slice(1).map((high, k) => {
    const inside = rows.filter(({ held }) => held >= edges[k] && held < high);
    const mean = (value: (row: Judged) => number) => summarise(inside.map(value)).mean.toFixed(2);
    const name = `${edges[k]} to ${Math.min(1, high)}`;
    return [name, String(inside.length), mean(({ held }) => held), mean((row) => row.dice)];
  });
  table('Trust and what it promises, on the same targets', ['trust', 'targets', 'mean trust', 'mean Dice'], bins);
}

const isBad = (row: Row): boolean => row.dice < 0.5;

const rho = (rows: readonly Judged[]): number =>
  spearman(
    rows.map(({ held }) => held),
    rows.map((row) => row.dice),
  );

const share = (part: number, whole: number): string => (whole === 0 ? '-' : `${Math.round((100 * part) / whole)} %`);

void main();
