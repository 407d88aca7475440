/**
 * Earth mover's distance, for stage *mask scores*: exact transport of least cost between two sets of equal weights, by
 * the network simplex on the bipartite graph (Bonneel et al. 2011 solve it so too), with strongly feasible trees
 * (Cunningham 1976), so that the many ties of equal weights cannot make it cycle, and block search for the entering
 * arc.
 */

export interface TransportPlan {
  /** The earth mover's distance: sum of amount x cost. */
  readonly cost: number;
  /** The arcs that carry something; at most sources + sinks - 1. */
  readonly flows: readonly { readonly source: number; readonly sink: number; readonly amount: number }[];
  /**
   * float64 [sources] and [sinks]: sourceDual[i] + sinkDual[j] <= cost[i, j] up to rounding, with equality where
   * something flows: the proof that nothing is cheaper.
   */
  readonly sourceDual: Float64Array;
  readonly sinkDual: Float64Array;
}

/**
 * Moves a mass of 1, spread evenly over the sources, to the sinks, evenly as well, at the least cost.
 *
 * @param cost finite and at least 0, float [sources, sinks], row-major.
 */
export function transport(cost: Float32Array | Float64Array, sources: number, sinks: number): TransportPlan {
  if (cost.length !== sources * sinks) {
    throw new RangeError(`transport from ${sources} to ${sinks} needs ${sources * sinks} costs, got ${cost.length}`);
  }
  if (sources === 0 || sinks === 0) throw new RangeError('transport needs at least one source and one sink');
  const simplex = new NetworkSimplex(cost, sources, sinks);
  simplex.solve();
  return simplex.plan();
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/**
 * A spanning tree of sources, sinks and an artificial root. Arcs have no capacity, so those outside the tree carry
 * nothing and a node's flow is that of the arc to its parent.
 */
class NetworkSimplex {
  private readonly root: number;
  /** Units that a mass of 1 consists of. */
  private readonly units: number;
  /** Node arrays: sources, then sinks, then the root. */
  private readonly parent: Int32Array;
  /** 1 where the arc to the parent leads up to it, 0 where it comes down from it. */
  private readonly upward: Uint8Array;
  private readonly flow: Float64Array;
  private readonly depth: Int32Array;
  /** Reduced cost of an arc is cost + potential[source] - potential[sink]; 0 for arcs of the tree. */
  private readonly potential: Float64Array;
  /** Children as doubly linked lists, -1 at the ends. */
  private readonly firstChild: Int32Array;
  private readonly nextSibling: Int32Array;
  private readonly previousSibling: Int32Array;
  private readonly stack: Int32Array;
  private nextArc = 0;

  constructor(
    private readonly cost: Float32Array | Float64Array,
    private readonly sources: number,
    private readonly sinks: number,
  ) {
    // In whole units, so that no rounding spoils which flows are 0.
    const divisor = greatestDivisor(sources, sinks);
    this.units = (sources * sinks) / divisor;
    const supply = sinks / divisor;
    const demand = sources / divisor;
    const count = sources + sinks + 1;
    this.root = count - 1;
    this.parent = new Int32Array(count).fill(this.root);
    this.upward = new Uint8Array(count).fill(1, 0, sources);
    this.flow = new Float64Array(count);
    this.depth = new Int32Array(count).fill(1);
    this.potential = new Float64Array(count);
    this.firstChild = new Int32Array(count).fill(-1);
    this.nextSibling = new Int32Array(count).fill(-1);
    this.previousSibling = new Int32Array(count).fill(-1);
    this.stack = new Int32Array(count);
    this.parent[this.root] = -1;
    this.depth[this.root] = 0;
    let most = 0;
    for (const value of cost) most = Math.max(most, value);
    // Dearer than any path through real arcs, so that artificial arcs empty.
    const artificial = (most + 1) * count;
    for (let node = 0; node < this.root; node++) {
      this.flow[node] = node < sources ? supply : demand;
      this.potential[node] = node < sources ? -artificial : artificial;
      this.attach(node, this.root);
    }
  }

  solve(): void {
    const arcs = this.sources * this.sinks;
    const block = Math.max(10, Math.ceil(Math.sqrt(arcs)));
    for (let arc = this.entering(block); arc >= 0; arc = this.entering(block)) this.pivot(arc);
  }

  plan(): TransportPlan {
    const { cost, sources, sinks, parent, flow, potential, root, units } = this;
    const flows: { source: number; sink: number; amount: number }[] = [];
    let total = 0;
    for (let node = 0; node < root; node++) {
      const other = parent[node];
      if (flow[node] === 0) continue;
      const source = Math.min(node, other);
      const sink = Math.max(node, other) - sources;
      flows.push({ source, sink, amount: flow[node] / units });
      total += flow[node] * cost[source * sinks + sink];
    }
    return {
      cost: total / units,
      flows,
      sourceDual: potential.slice(0, sources).map((value) => -value),
      sinkDual: potential.slice(sources, root),
    };
  }

  /** The arc with the most negative reduced cost in the first block that has one; -1 when there is none. */
  private entering(block: number): number {
    const { cost, sources, sinks, potential } = this;
    const arcs = sources * sinks;
    let best = -1;
    // Rounding must not look like a gain, or pivots would never end.
    let lowest = -1e-11;
    let left = block;
    let arc = this.nextArc;
    let source = Math.floor(arc / sinks);
    let sink = arc - source * sinks;
    let up = potential[source];
    for (let seen = 0; seen < arcs; seen++) {
      const reduced = cost[arc] + up - potential[sources + sink];
      if (reduced < lowest) {
        lowest = reduced;
        best = arc;
      }
      arc++;
      if (++sink === sinks) {
        sink = 0;
        if (++source === sources) {
          source = 0;
          arc = 0;
        }
        up = potential[source];
      }
      if (--left === 0) {
        if (best >= 0) break;
        left = block;
      }
    }
    this.nextArc = arc;
    return best;
  }

  private pivot(arc: number): void {
    const { cost, sources, sinks, parent, upward, flow, depth, potential } = this;
    const source = Math.floor(arc / sinks);
    const sink = sources + (arc - source * sinks);
    let a = source;
    let b = sink;
    while (a !== b) {
      if (depth[a] >= depth[b]) a = parent[a];
      else b = parent[b];
    }
    const join = a;

    // The cycle runs join -> source -> sink -> join. The last arc to block it, seen from the join, leaves: this keeps
    // the tree strongly feasible.
    let amount = Number.POSITIVE_INFINITY;
    let leaving = -1;
    let onSourceSide = true;
    for (let node = source; node !== join; node = parent[node]) {
      if (upward[node] === 1 && flow[node] < amount) {
        amount = flow[node];
        leaving = node;
      }
    }
    for (let node = sink; node !== join; node = parent[node]) {
      if (upward[node] === 0 && flow[node] <= amount) {
        amount = flow[node];
        leaving = node;
        onSourceSide = false;
      }
    }
    if (amount > 0) {
      for (let node = source; node !== join; node = parent[node]) flow[node] += upward[node] === 1 ? -amount : amount;
      for (let node = sink; node !== join; node = parent[node]) flow[node] += upward[node] === 1 ? amount : -amount;
    }

    // The cut-off part hangs itself on the other end of the entering arc: parents turn round from there to the cut.
    const reduced = cost[arc] + potential[source] - potential[sink];
    const shift = onSourceSide ? -reduced : reduced;
    let node = onSourceSide ? source : sink;
    let newParent = onSourceSide ? sink : source;
    let newUpward = onSourceSide ? 1 : 0;
    let newFlow = amount;
    const top = node;
    for (let done = false; !done; ) {
      const oldParent = parent[node];
      const oldUpward = upward[node];
      const oldFlow = flow[node];
      done = node === leaving;
      this.detach(node);
      upward[node] = newUpward;
      flow[node] = newFlow;
      this.attach(node, newParent);
      newParent = node;
      node = oldParent;
      newUpward = 1 - oldUpward;
      newFlow = oldFlow;
    }
    this.move(top, shift);
  }

  /** New depths and potentials below and at `top`. */
  private move(top: number, shift: number): void {
    const { parent, depth, potential, firstChild, nextSibling, stack } = this;
    let size = 0;
    stack[size++] = top;
    while (size > 0) {
      const node = stack[--size];
      potential[node] += shift;
      depth[node] = depth[parent[node]] + 1;
      for (let child = firstChild[node]; child >= 0; child = nextSibling[child]) stack[size++] = child;
    }
  }

  private attach(node: number, parent: number): void {
    const first = this.firstChild[parent];
    this.parent[node] = parent;
    this.nextSibling[node] = first;
    this.previousSibling[node] = -1;
    if (first >= 0) this.previousSibling[first] = node;
    this.firstChild[parent] = node;
  }

  private detach(node: number): void {
    const next = this.nextSibling[node];
    const previous = this.previousSibling[node];
    if (previous >= 0) this.nextSibling[previous] = next;
    else this.firstChild[this.parent[node]] = next;
    if (next >= 0) this.previousSibling[next] = previous;
  }
}
