/**
 * Stage *token clusters*: agglomerative clusters of patch tokens with Ward's linkage (1963): of the clusters that touch
 * in the grid (4 neighbours), those two merge first whose union adds least to the squared distances of tokens from
 * their cluster's mean.
 *
 * Where we differ from INSID3 (arXiv 2603.28480): only clusters that touch merge, so that clusters are connected
 * regions and 4,096 tokens take tens of milliseconds instead of a matrix of 16 million similarities; and Ward's
 * linkage, under which regions of one texture grow evenly. (Average linkage lets one of them swallow the others token
 * by token, and each step then costs a product with every neighbour: seconds.)
 */
import { area, type Size } from '../../geometry';
import type { PatchTokens } from '../../tokens/patchGrid';
import { dotAt } from '../../tokens/tokenRows';

export interface TokenClusters {
  /** int32 [grid.height * grid.width]: the patch's cluster; clusters are numbered by their first patch. */
  readonly clusterOf: Int32Array;
  /** int32 [clusters]: patches of each. */
  readonly sizes: Int32Array;
  /** float32 [clusters, dim]: mean of each cluster's tokens, not of unit length. */
  readonly means: Float32Array;
}

/**
 * Merges touching clusters while the cheapest merge costs at most `mostCost`: |A| |B| / (|A| + |B|) times the squared
 * distance of the means. Two single unit tokens with cosine c cost 1 - c. Of equal merges the one of fewer patches
 * comes first, then the one whose first patches come first.
 *
 * @param tokens of length 1
 */
export function clusterTokens(tokens: PatchTokens, mostCost: number): TokenClusters {
  const merging = new Merging(tokens);
  merging.run(mostCost);
  return merging.clusters();
}

class Merging {
  /** float32 [patches, dim]: sum of a cluster's tokens, at its first patch. */
  private readonly sums: Float32Array;
  private readonly sizes: Int32Array;
  /** Squared lengths of the sums. */
  private readonly squares: Float64Array;
  /** The cluster that a patch's cluster was merged into; itself for those that stand. */
  private readonly mergedInto: Int32Array;
  /** Raised with each merge, so that older pairs in the queue are known to be out of date. */
  private readonly versions: Int32Array;
  private readonly neighbours: Set<number>[];
  private readonly queue = new PairQueue();
  private readonly grid: Size;
  private readonly dim: number;

  constructor({ grid, dim, data }: PatchTokens) {
    const count = area(grid);
    this.grid = grid;
    this.dim = dim;
    this.sums = data.slice();
    this.sizes = new Int32Array(count).fill(1);
    this.squares = new Float64Array(count).fill(1);
    this.mergedInto = Int32Array.from({ length: count }, (_, patch) => patch);
    this.versions = new Int32Array(count);
    this.neighbours = Array.from({ length: count }, () => new Set());
    for (let patch = 0; patch < count; patch++) {
      if ((patch + 1) % grid.width > 0) this.join(patch, patch + 1);
      if (patch + grid.width < count) this.join(patch, patch + grid.width);
    }
  }

  run(mostCost: number): void {
    const { queue, versions } = this;
    for (let pair = queue.pop(); pair !== undefined && pair.cost <= mostCost; pair = queue.pop()) {
      if (versions[pair.a] === pair.versionOfA && versions[pair.b] === pair.versionOfB) this.merge(pair.a, pair.b);
    }
  }

  clusters(): TokenClusters {
    const { mergedInto, dim } = this;
    const count = area(this.grid);
    const clusterOf = new Int32Array(count);
    const sizes: number[] = [];
    const roots: number[] = [];
    for (let patch = 0; patch < count; patch++) {
      // A cluster keeps the number of its first patch, which therefore comes before all others.
      const root = mergedInto[patch] === patch ? patch : mergedInto[mergedInto[patch]];
      mergedInto[patch] = root;
      if (root === patch) {
        clusterOf[patch] = roots.length;
        roots.push(patch);
        sizes.push(this.sizes[patch]);
      } else clusterOf[patch] = clusterOf[root];
    }
    const means = new Float32Array(roots.length * dim);
    roots.forEach((root, cluster) => {
      for (let k = 0; k < dim; k++) means[cluster * dim + k] = this.sums[root * dim + k] / sizes[cluster];
    });
    return { clusterOf, sizes: Int32Array.from(sizes), means };
  }

  private join(a: number, b: number): void {
    this.neighbours[a].add(b);
    this.neighbours[b].add(a);
    this.enqueue(a, b);
  }

  private enqueue(a: number, b: number): void {
    const { sums, sizes, squares, versions, dim } = this;
    const [first, second] = a < b ? [a, b] : [b, a];
    const [n, m] = [sizes[first], sizes[second]];
    const across = dotAt(sums, first * dim, sums, second * dim, dim);
    // n m / (n + m) |x / n - y / m|^2 for sums x and y.
    const cost = (squares[first] * (m / n) + squares[second] * (n / m) - 2 * across) / (n + m);
    this.queue.push(cost, n + m, first, second, versions[first], versions[second]);
  }

  /** The second into the first, which has the lower number. */
  private merge(a: number, b: number): void {
    const { sums, sizes, squares, mergedInto, versions, neighbours, dim } = this;
    let square = 0;
    for (let k = 0, x = a * dim, y = b * dim; k < dim; k++, x++, y++) {
      const sum = sums[x] + sums[y];
      sums[x] = sum;
      square += sum * sum;
    }
    squares[a] = square;
    sizes[a] += sizes[b];
    mergedInto[b] = a;
    versions[a]++;
    versions[b] = -1;
    neighbours[a].delete(b);
    for (const other of neighbours[b]) {
      neighbours[other].delete(b);
      if (other === a) continue;
      neighbours[a].add(other);
      neighbours[other].add(a);
    }
    neighbours[b].clear();
    for (const other of neighbours[a]) this.enqueue(a, other);
  }
}

interface Pair {
  readonly cost: number;
  readonly a: number;
  readonly b: number;
  readonly versionOfA: number;
  readonly versionOfB: number;
}

/** Binary heap of pairs in typed arrays: cheapest first, then fewest patches, then lowest numbers. */
class PairQueue {
  private costs = new Float64Array(1024);
  /** Patches together, a, b, and their versions. */
  private fields = new Int32Array(1024 * 5);
  private size = 0;

  push(cost: number, together: number, a: number, b: number, versionOfA: number, versionOfB: number): void {
    if (this.size === this.costs.length) this.grow();
    const at = this.size++;
    this.costs[at] = cost;
    this.fields.set([together, a, b, versionOfA, versionOfB], at * 5);
    this.rise(at);
  }

  pop(): Pair | undefined {
    if (this.size === 0) return undefined;
    const { costs, fields } = this;
    const [, a, b, versionOfA, versionOfB] = fields;
    const pair = { cost: costs[0], a, b, versionOfA, versionOfB };
    this.swap(0, --this.size);
    this.sink();
    return pair;
  }

  private rise(start: number): void {
    for (let at = start; at > 0; ) {
      const above = (at - 1) >> 1;
      if (!this.before(at, above)) return;
      this.swap(at, above);
      at = above;
    }
  }

  private sink(): void {
    for (let at = 0; ; ) {
      let first = 2 * at + 1;
      if (first >= this.size) return;
      if (first + 1 < this.size && this.before(first + 1, first)) first++;
      if (!this.before(first, at)) return;
      this.swap(first, at);
      at = first;
    }
  }

  private before(x: number, y: number): boolean {
    const { costs, fields } = this;
    if (costs[x] !== costs[y]) return costs[x] < costs[y];
    for (let k = 0; k < 3; k++) {
      const difference = fields[x * 5 + k] - fields[y * 5 + k];
      if (difference !== 0) return difference < 0;
    }
    return false;
  }

  private swap(x: number, y: number): void {
    const { costs, fields } = this;
    const cost = costs[x];
    costs[x] = costs[y];
    costs[y] = cost;
    for (let k = 0; k < 5; k++) {
      const field = fields[x * 5 + k];
      fields[x * 5 + k] = fields[y * 5 + k];
      fields[y * 5 + k] = field;
    }
  }

  private grow(): void {
    const costs = new Float64Array(2 * this.size);
    const fields = new Int32Array(10 * this.size);
    costs.set(this.costs);
    fields.set(this.fields);
    this.costs = costs;
    this.fields = fields;
  }
}
