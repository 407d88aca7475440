/** The few lowest of a stream of numbers. */

export class Lowest {
  /** Ascending, at most `count`. */
  private readonly values: number[] = [];

  constructor(private readonly count: number) {}

  add(value: number): void {
    if (value >= this.bound) return;
    const at = this.values.findIndex((other) => other > value);
    this.values.splice(at < 0 ? this.values.length : at, 0, value);
    if (this.values.length > this.count) this.values.pop();
  }

  /** A number below this is among the lowest: the `count`-th lowest so far, Infinity until there are as many. */
  get bound(): number {
    return this.values.length < this.count ? Number.POSITIVE_INFINITY : this.values[this.count - 1];
  }
}
