/** Composes ONNX graphs from expressions: every operation gives the name of its result. */
import type {
  Attribute,
  Dims,
  ElementType,
  Graph,
  Initializer,
  Node,
  ValueInfo,
} from '../../src/engine/runtime/onnxGraph';

export class GraphBuilder {
  private readonly nodes: Node[] = [];
  private readonly initializers: Initializer[] = [];
  private readonly inputs: ValueInfo[] = [];
  private readonly outputs: ValueInfo[] = [];
  private count = 0;

  input(name: string, type: ElementType, dims: Dims): string {
    this.inputs.push({ name, type, dims });
    return name;
  }

  output(name: string, value: string, type: ElementType, dims: Dims): void {
    this.nodes.push({ op: 'Identity', inputs: [value], outputs: [name] });
    this.outputs.push({ name, type, dims });
  }

  op(op: string, inputs: readonly string[], attributes?: Readonly<Record<string, Attribute>>): string {
    const result = this.next(op);
    this.nodes.push({ op, inputs, outputs: [result], ...(attributes && { attributes }) });
    return result;
  }

  /** int64, of rank 1 unless `dims` says otherwise. */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.constant('int64', dims, BigInt64Array.from(values, BigInt));
  }

  /** float32, of rank 1 unless `dims` says otherwise. */
  floats(values: readonly number[], dims: readonly number[] = [values.length], externalFile?: string): string {
    return this.constant('float32', dims, Float32Array.from(values), externalFile);
  }

  scalar(value: number): string {
    return this.floats([value], []);
  }

  add = (a: string, b: string): string => this.op('Add', [a, b]);
  subtract = (a: string, b: string): string => this.op('Sub', [a, b]);
  multiply = (a: string, b: string): string => this.op('Mul', [a, b]);
  divide = (a: string, b: string): string => this.op('Div', [a, b]);
  reshape = (a: string, shape: readonly number[]): string => this.op('Reshape', [a, this.ints(shape)]);
  squeeze = (a: string, axes: readonly number[]): string => this.op('Squeeze', [a, this.ints(axes)]);
  unsqueeze = (a: string, axes: readonly number[]): string => this.op('Unsqueeze', [a, this.ints(axes)]);
  transpose = (a: string, perm: readonly number[]): string => this.op('Transpose', [a], { perm });
  concat = (parts: readonly string[], axis: number): string => this.op('Concat', parts, { axis });

  /** The values at one place of an axis, which goes away. */
  pick = (a: string, index: number, axis: number): string => this.op('Gather', [a, this.ints([index], [])], { axis });

  slice = (a: string, from: number, to: number, axis: number): string =>
    this.op('Slice', [a, this.ints([from]), this.ints([to]), this.ints([axis])]);

  pad = (a: string, pads: readonly number[] | string, value: number): string =>
    this.op('Pad', [a, typeof pads === 'string' ? pads : this.ints(pads), this.scalar(value)]);

  max = (a: string, axis: number, keep = false): string =>
    this.op('ReduceMax', [a], { axes: [axis], keepdims: Number(keep) });

  averagePool = (a: string, side: number): string =>
    this.op('AveragePool', [a], { kernel_shape: [side, side], strides: [side, side] });

  /** `yes` where `a` has this value, else `no`. */
  whereEqual = (a: string, value: number, yes: string, no: number): string =>
    this.op('Where', [this.op('Equal', [a, this.scalar(value)]), yes, this.scalar(no)]);

  /** Bilinear, pixel centres at half-integers; `sizes` int64, one per axis. */
  resize = (a: string, sizes: string): string =>
    this.op('Resize', [a, '', '', sizes], { mode: 'linear', coordinate_transformation_mode: 'half_pixel' });

  build(name: string): Graph {
    const { inputs, outputs, nodes, initializers } = this;
    return { name, inputs, outputs, nodes, initializers };
  }

  private constant(
    type: ElementType,
    dims: readonly number[],
    data: Initializer['data'],
    externalFile?: string,
  ): string {
    const name = this.next('constant');
    this.initializers.push({ name, type, dims, data, ...(externalFile !== undefined && { externalFile }) });
    return name;
  }

  private next(what: string): string {
    return `${what}_${this.count++}`;
  }
}
