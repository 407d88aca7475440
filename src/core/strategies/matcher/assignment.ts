/**
 * One-to-one assignment of least cost, for stage *bidirectional matching*: shortest augmenting paths after Jonker and
 * Volgenant (1987), with the rectangular form of Crouse (2016), where columns may stay free and keep a dual of 0.
 *
 * Where we differ: no column reduction, because it lowers the dual of columns that may end up free.
 */

export interface Assignment {
  /** int32 [rows]: the row's column; -1 for rows that are left over, where there are more rows than columns. */
  readonly columnOfRow: Int32Array;
  /** Sum of the chosen costs. */
  readonly cost: number;
  /**
   * float64 [rows] and [columns]: rowDual[i] + columnDual[j] <= cost[i, j] up to rounding, with equality where i has j.
   * They sum to `cost`: the proof that nothing is cheaper.
   */
  readonly rowDual: Float64Array;
  readonly columnDual: Float64Array;
}

/**
 * Gives as many rows as possible a column of their own at the least total cost.
 *
 * @param cost finite, float [rows, columns], row-major.
 */
export function assign(cost: Float32Array | Float64Array, rows: number, columns: number): Assignment {
  if (cost.length !== rows * columns) {
    throw new RangeError(`costs of ${rows} x ${columns} need ${rows * columns} values, got ${cost.length}`);
  }
  if (rows <= columns) return new Augmentation(cost, rows, columns).solve();
  const transposed = new Augmentation(transpose(cost, rows, columns), columns, rows).solve();
  const columnOfRow = new Int32Array(rows).fill(-1);
  transposed.columnOfRow.forEach((row, column) => {
    columnOfRow[row] = column;
  });
  return { ...transposed, columnOfRow, rowDual: transposed.columnDual, columnDual: transposed.rowDual };
}

/**
 * Passes of augmenting row reduction before the search of shortest paths; more than two gain nothing (1987, section 3).
 */
const REDUCTION_PASSES = 2;

/** State of one solution; at most as many rows as columns. */
class Augmentation {
  private readonly columnOfRow: Int32Array;
  private readonly rowOfColumn: Int32Array;
  /** At most 0, and 0 for a free column. */
  private readonly columnDual: Float64Array;
  /** Of the search: length of the shortest path to a column, and the row it comes from. */
  private readonly distance: Float64Array;
  private readonly from: Int32Array;
  /** Columns: first those whose shortest path is final, then the others. */
  private readonly order: Int32Array;

  constructor(
    private readonly cost: Float32Array | Float64Array,
    private readonly rows: number,
    private readonly columns: number,
  ) {
    this.columnOfRow = new Int32Array(rows).fill(-1);
    this.rowOfColumn = new Int32Array(columns).fill(-1);
    this.columnDual = new Float64Array(columns);
    this.distance = new Float64Array(columns);
    this.from = new Int32Array(columns);
    this.order = Int32Array.from({ length: columns }, (_, column) => column);
  }

  solve(): Assignment {
    const { cost, rows, columns, columnOfRow, columnDual } = this;
    let free = Int32Array.from({ length: rows }, (_, row) => row);
    for (let pass = 0; pass < REDUCTION_PASSES && columns > 1; pass++) free = this.reduceRows(free);
    for (const row of free) this.augment(row);
    let total = 0;
    const rowDual = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const value = cost[row * columns + columnOfRow[row]];
      total += value;
      rowDual[row] = value - columnDual[columnOfRow[row]];
    }
    return { columnOfRow, cost: total, rowDual, columnDual };
  }

  /** Augmenting row reduction: free rows take their best column and push its owner out; returns those still free. */
  private reduceRows(free: Int32Array): Int32Array<ArrayBuffer> {
    const { cost, columns, columnOfRow, rowOfColumn, columnDual } = this;
    const left: number[] = [];
    // Rows may push each other out for ever smaller gains; the search of paths ends such quarrels.
    let patience = 4 * free.length;
    for (const first of free) {
      let row = first;
      while (row >= 0) {
        const start = row * columns;
        let best = 0;
        let second = -1;
        let low = cost[start] - columnDual[0];
        let next = Number.POSITIVE_INFINITY;
        for (let column = 1; column < columns; column++) {
          const reduced = cost[start + column] - columnDual[column];
          if (reduced >= next) continue;
          if (reduced < low) {
            next = low;
            second = best;
            low = reduced;
            best = column;
          } else {
            next = reduced;
            second = column;
          }
        }
        const lowered = columnDual[best] - (next - low);
        const gains = lowered < columnDual[best];
        // Of two equals the free column hurts nobody.
        if (!gains && rowOfColumn[best] >= 0) best = second;
        const owner = rowOfColumn[best];
        if (owner >= 0 && (!gains || --patience < 0)) {
          left.push(row);
          break;
        }
        if (gains) columnDual[best] = lowered;
        if (owner >= 0) columnOfRow[owner] = -1;
        rowOfColumn[best] = row;
        columnOfRow[row] = best;
        row = owner;
      }
    }
    return Int32Array.from(left);
  }

  /** Dijkstra on reduced costs from a free row to the nearest free column; then the path changes hands. */
  private augment(start: number): void {
    const { columns, columnOfRow, rowOfColumn, columnDual, distance, from, order } = this;
    let row = start;
    let length = 0;
    let done = 0;
    distance.fill(Number.POSITIVE_INFINITY);
    let end = -1;
    while (end < 0) {
      const nearest = this.relax(row, length, done);
      const column = order[nearest];
      length = distance[column];
      order[nearest] = order[done];
      order[done++] = column;
      if (rowOfColumn[column] < 0) end = column;
      else row = rowOfColumn[column];
    }
    for (let k = 0; k < done; k++) columnDual[order[k]] += distance[order[k]] - length;
    for (let column = end; column >= 0; ) {
      const owner = from[column];
      const next = columnOfRow[owner];
      rowOfColumn[column] = owner;
      columnOfRow[owner] = column;
      column = owner === start ? -1 : next;
    }
    for (let column = 0; column < columns; column++) order[column] = column;
  }

  /** Shortens paths through `row`, which `length` leads to; returns the place in `order` of the nearest open column. */
  private relax(row: number, length: number, done: number): number {
    const { cost, columns, rowOfColumn, columnOfRow, columnDual, distance, from, order } = this;
    const offset = row * columns;
    const own = columnOfRow[row];
    const base = length - (own < 0 ? 0 : cost[offset + own] - columnDual[own]);
    let nearest = -1;
    let lowest = Number.POSITIVE_INFINITY;
    for (let k = done; k < columns; k++) {
      const column = order[k];
      const through = base + cost[offset + column] - columnDual[column];
      if (through < distance[column]) {
        distance[column] = through;
        from[column] = row;
      }
      // A free column ends the search, so it comes first among equals.
      if (distance[column] < lowest || (distance[column] === lowest && rowOfColumn[column] < 0)) {
        lowest = distance[column];
        nearest = k;
      }
    }
    return nearest;
  }
}

function transpose(cost: Float32Array | Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(cost.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = cost[row * columns + column];
  }
  return result;
}
