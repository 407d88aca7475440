/** Spearman's rank correlation (1904): whether one number puts things in the same order as another. */

/**
 * In [-1, 1]: Pearson's correlation of the ranks, equal values sharing the mean of theirs. NaN for fewer than two
 * pairs, and where all values of one side are equal. Throws RangeError unless both have the same length.
 */
export function spearman(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} values are no pairs`);
  const [x, y] = [ranks(a), ranks(b)];
  // Ranks of n values have the mean (n + 1) / 2, with ties too.
  const mean = (a.length + 1) / 2;
  let common = 0;
  let own = 0;
  let other = 0;
  for (let i = 0; i < a.length; i++) {
    common += (x[i] - mean) * (y[i] - mean);
    own += (x[i] - mean) ** 2;
    other += (y[i] - mean) ** 2;
  }
  return common / Math.sqrt(own * other);
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((i, j) => values[i] - values[j]);
  const result = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    for (let k = start; k < end; k++) result[order[k]] = (start + 1 + end) / 2;
    start = end;
  }
  return result;
}
