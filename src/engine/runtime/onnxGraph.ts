/**
 * Writes small ONNX models (opset 17) from TypeScript, so that graphs of our own, such as the matching graph, need
 * neither a binary file in the repository nor Python. Field numbers are those of onnx.proto3 (onnx.ai, IR version 8).
 */
import { bytesField, concat, floatField, intField, stringField } from './protobuf';

export type ElementType = 'float32' | 'float16' | 'int64' | 'int32' | 'uint8' | 'int8' | 'bool';

/** Numbers are fixed sizes, strings name dynamic ones. */
export type Dims = readonly (number | string)[];

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: Dims;
}

export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  /** Little-endian values, row-major. */
  readonly data: Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array | Int8Array;
  /** Where the values stand instead: a file beside the model that holds nothing but them. */
  readonly externalFile?: string;
}

/** Attribute values: number[] and integers become ONNX ints; `{ float }` forces a float. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly Node[];
  readonly initializers?: readonly Initializer[];
}

const elementTypes: Record<ElementType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

/** The serialised ModelProto. */
export function encodeModel(graph: Graph): Uint8Array {
  const body = concat([
    ...graph.nodes.map((node) => bytesField(1, encodeNode(node))),
    stringField(2, graph.name),
    ...(graph.initializers ?? []).map((tensor) => bytesField(5, encodeTensor(tensor))),
    ...graph.inputs.map((value) => bytesField(11, encodeValueInfo(value))),
    ...graph.outputs.map((value) => bytesField(12, encodeValueInfo(value))),
  ]);
  return concat([
    intField(1, 8),
    stringField(2, 'ap-medsam'),
    bytesField(7, body),
    bytesField(8, concat([stringField(1, ''), intField(2, 17)])),
  ]);
}

/** A NodeProto. */
export function encodeNode(node: Node): Uint8Array {
  return concat([
    ...node.inputs.map((name) => stringField(1, name)),
    ...node.outputs.map((name) => stringField(2, name)),
    stringField(4, node.op),
    ...Object.entries(node.attributes ?? {}).map(([name, value]) => bytesField(5, encodeAttribute(name, value))),
  ]);
}

function encodeAttribute(name: string, value: Attribute): Uint8Array {
  const head = stringField(1, name);
  if (typeof value === 'number') return concat([head, intField(3, value), intField(20, 2)]);
  if (typeof value === 'string') return concat([head, stringField(4, value), intField(20, 3)]);
  if ('float' in value) return concat([head, floatField(2, value.float), intField(20, 1)]);
  return concat([head, ...value.map((item) => intField(8, item)), intField(20, 7)]);
}

/** A TensorProto. */
export function encodeTensor({ name, type, dims, data, externalFile }: Initializer): Uint8Array {
  const head = [...dims.map((dim) => intField(1, dim)), intField(2, elementTypes[type]), stringField(8, name)];
  if (externalFile !== undefined) {
    const location = concat([stringField(1, 'location'), stringField(2, externalFile)]);
    return concat([...head, bytesField(13, location), intField(14, 1)]);
  }
  return concat([...head, bytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))]);
}

function encodeValueInfo({ name, type, dims }: ValueInfo): Uint8Array {
  const shape = concat(
    dims.map((dim) => bytesField(1, typeof dim === 'number' ? intField(1, dim) : stringField(2, dim))),
  );
  const tensorType = concat([intField(1, elementTypes[type]), bytesField(2, shape)]);
  return concat([stringField(1, name), bytesField(2, bytesField(1, tensorType))]);
}
