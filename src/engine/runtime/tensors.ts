/** Tensors of the runtime as plain arrays, and halves as floats. */
import { fromFloat16, toFloat16 } from './float16';
import { Tensor } from './onnxRuntime';

/** A float32 tensor, row-major. */
export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type NamedTensors = Readonly<Record<string, FloatTensor>>;

/** Wraps without copying. */
export const toTensor = ({ dims, data }: FloatTensor): Tensor => new Tensor('float32', data, dims);

export const toTensors = (named: NamedTensors): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(named).map(([name, tensor]) => [name, toTensor(tensor)]));

/** Unwraps without copying; throws TypeError for another element type. */
export function toFloats(tensor: Tensor): FloatTensor {
  if (!(tensor.data instanceof Float32Array)) throw new TypeError(`expected a float32 tensor, got ${tensor.type}`);
  return { dims: tensor.dims, data: tensor.data };
}

/** Those of `outputs` that `names` lists. */
export const toNamedFloats = (outputs: Readonly<Record<string, Tensor>>, names: readonly string[]): NamedTensors =>
  Object.fromEntries(names.map((name) => [name, toFloats(outputs[name]!)]));

/** A float32 tensor as float16; another as it is. */
export const halved = (tensor: Tensor): Tensor =>
  tensor.data instanceof Float32Array ? new Tensor('float16', toFloat16(tensor.data), tensor.dims) : tensor;

/** A float16 tensor as float32. */
export function widened(tensor: Tensor): Tensor {
  // A Uint16Array on Node 20, a Float16Array where there is one: the same bytes.
  const { buffer, byteOffset, length } = tensor.data as Uint16Array;
  return new Tensor('float32', fromFloat16(new Uint16Array(buffer, byteOffset, length)), tensor.dims);
}
