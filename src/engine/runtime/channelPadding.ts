/**
 * Gives convolutions a number of input channels that WebGPU computes right. ONNX Runtime 1.30's kernel for convolutions
 * is wrong where they are a multiple of 3 and not of 4 (6, 9, 15, ...), unless there are just 3 of them or the kernel
 * is 1 x 1; transposed convolutions are right. Channels of zeros change no result: measured against the CPU on a
 * software adapter.
 */
import { encodeNode, encodeTensor, type Initializer, type Node } from './onnxGraph';
import { bytesOf, fieldsOf, numbersOf, textOf, type WireField, withFields } from './protobuf';

// Field numbers of onnx.proto3.
const MODEL = { graph: 7, opsets: 8 } as const;
const OPSET = { domain: 1, version: 2 } as const;
const GRAPH = { nodes: 1, initializers: 5 } as const;
const NODE = { inputs: 1, outputs: 2, op: 4, attributes: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, integer: 3, tensor: 5 } as const;
const TENSOR = { dims: 1, name: 8 } as const;

/** Operators whose result has the shape of their first input. */
const SAME_SHAPE: ReadonlySet<string> = new Set(['Cast', 'DequantizeLinear', 'Identity', 'QuantizeLinear']);

/** The oldest opset in which `Pad` takes its widths as an input. */
const PADS_AS_INPUT = 11;

/** Channels that WebGPU can take in groups. */
const GROUP = 4;

interface ParsedNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly field: WireField;
}

/**
 * The model with zero channels added in front of every convolution that needs them; the very same bytes where none
 * does. Bodies of loops and conditions are left as they are. Throws RangeError for bytes that are no protobuf message.
 */
export function padChannels(model: Uint8Array): Uint8Array {
  const parts = fieldsOf(model);
  const graph = parts.find(({ field }) => field === MODEL.graph);
  if (graph === undefined) return model;
  const rewritten = padGraph(bytesOf(graph), opsetOf(parts));
  if (rewritten === undefined) return model;
  return withFields(parts.map((part) => (part === graph ? { field: MODEL.graph, bytes: rewritten } : part)));
}

/** Undefined where nothing has to change. */
function padGraph(graph: Uint8Array, opset: number): Uint8Array | undefined {
  const parts = fieldsOf(graph);
  const nodes = new Map(parts.filter(({ field }) => field === GRAPH.nodes).map((part) => [part, parseNode(part)]));
  const dims = shapesOf(parts, [...nodes.values()]);
  const padding = new Padding(opset);
  const out: (WireField | NewField)[] = [];
  for (const part of parts) {
    const node = nodes.get(part);
    const shape = node && dims.get(node.inputs[1]);
    if (node === undefined || shape === undefined || !needsPadding(node, shape)) out.push(part);
    else out.push(...padding.before(node, shape), withInputs(node, padding.names(node)));
  }
  if (padding.widths.size === 0) return undefined;
  return withFields([...out, ...[...padding.widths.values()].map((tensor) => initializerField(tensor))]);
}

interface NewField {
  readonly field: number;
  readonly bytes: Uint8Array;
}

class Padding {
  /** By their name: the widths that the new nodes take as input. */
  readonly widths = new Map<string, Initializer>();

  constructor(private readonly opset: number) {}

  /** Nodes that pad input and weights of a convolution whose weights have this shape. */
  before(node: ParsedNode, shape: readonly number[]): NewField[] {
    const rank = shape.length;
    const missing = GROUP - (shape[1] % GROUP);
    const pads = Array.from({ length: 2 * rank }, (_, i) => (i === rank + 1 ? missing : 0));
    const name = `ap-medsam:pads:${rank}:${missing}`;
    this.widths.set(name, { name, type: 'int64', dims: [2 * rank], data: BigInt64Array.from(pads, BigInt) });
    return this.names(node).map((output, i) => {
      const input = node.inputs[i];
      const pad: Node =
        this.opset < PADS_AS_INPUT
          ? { op: 'Pad', inputs: [input], outputs: [output], attributes: { pads } }
          : { op: 'Pad', inputs: [input, name], outputs: [output] };
      return { field: GRAPH.nodes, bytes: encodeNode(pad) };
    });
  }

  /** What the padded input and weights of a convolution are called. */
  names({ outputs }: ParsedNode): [input: string, weights: string] {
    return [`ap-medsam:input:${outputs[0]}`, `ap-medsam:weights:${outputs[0]}`];
  }
}

/** Weights are [out, in / groups, ...kernel]. */
function needsPadding(node: ParsedNode, shape: readonly number[]): boolean {
  const [, channels, ...kernel] = shape;
  if (node.op !== 'Conv' || channels <= 3 || channels % 3 !== 0 || channels % GROUP === 0) return false;
  return kernel.some((side) => side > 1) && groupsOf(node) === 1;
}

function groupsOf({ field }: ParsedNode): number {
  const attributes = fieldsOf(bytesOf(field)).filter(({ field: number }) => number === NODE.attributes);
  for (const attribute of attributes) {
    const parts = fieldsOf(bytesOf(attribute));
    const name = parts.find(({ field: number }) => number === ATTRIBUTE.name);
    if (name === undefined || textOf(name) !== 'group') continue;
    return numbersOf(parts, ATTRIBUTE.integer)[0] ?? 1;
  }
  return 1;
}

/** Sides of the tensors that stand in the graph, and of what is only converted from them. */
function shapesOf(graph: readonly WireField[], nodes: readonly ParsedNode[]): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const part of graph) {
    if (part.field !== GRAPH.initializers) continue;
    const tensor = fieldsOf(bytesOf(part));
    const name = tensor.find(({ field }) => field === TENSOR.name);
    if (name !== undefined) shapes.set(textOf(name), numbersOf(tensor, TENSOR.dims));
  }
  // Nodes stand in the order in which they can run, so what they read is known before.
  for (const node of nodes) {
    const shape = node.op === 'Constant' ? constantShape(node) : SAME_SHAPE.has(node.op) && shapes.get(node.inputs[0]);
    if (shape) shapes.set(node.outputs[0], shape);
  }
  return shapes;
}

function constantShape({ field }: ParsedNode): readonly number[] | undefined {
  const attribute = fieldsOf(bytesOf(field)).find(({ field: number }) => number === NODE.attributes);
  const tensor = attribute && fieldsOf(bytesOf(attribute)).find(({ field: number }) => number === ATTRIBUTE.tensor);
  return tensor && numbersOf(fieldsOf(bytesOf(tensor)), TENSOR.dims);
}

function parseNode(field: WireField): ParsedNode {
  const parts = fieldsOf(bytesOf(field));
  const texts = (number: number) => parts.filter((part) => part.field === number).map(textOf);
  const isOnnx = texts(NODE.domain).every((domain) => domain === '' || domain === 'ai.onnx');
  return { op: isOnnx ? texts(NODE.op)[0] : '', inputs: texts(NODE.inputs), outputs: texts(NODE.outputs), field };
}

/** The node with other names for its first inputs. */
function withInputs({ field }: ParsedNode, names: readonly string[]): NewField {
  const encoder = new TextEncoder();
  let at = 0;
  const parts = fieldsOf(bytesOf(field)).map((part) => {
    if (part.field !== NODE.inputs || at >= names.length) return part;
    return { field: NODE.inputs, bytes: encoder.encode(names[at++]) };
  });
  return { field: GRAPH.nodes, bytes: withFields(parts) };
}

const initializerField = (tensor: Initializer): NewField => ({
  field: GRAPH.initializers,
  bytes: encodeTensor(tensor),
});

/** Version of the operators that the model is written in; 1 where it does not say. */
function opsetOf(model: readonly WireField[]): number {
  for (const part of model) {
    if (part.field !== MODEL.opsets) continue;
    const opset = fieldsOf(bytesOf(part));
    const domain = opset.find(({ field }) => field === OPSET.domain);
    if (domain === undefined || textOf(domain) === '') return numbersOf(opset, OPSET.version)[0] ?? 1;
  }
  return 1;
}
