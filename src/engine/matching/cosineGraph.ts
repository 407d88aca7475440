/**
 * Cosine similarities between two sets of unit tokens as an ONNX graph: one product that the runtime spreads over its
 * threads.
 */
import type { CosinePort } from '../../core/strategies/strategy';
import { rowCount, type TokenRows } from '../../core/tokens/tokenRows';
import { type Contract, float32 } from '../runtime/contract';
import { encodeModel, type ValueInfo } from '../runtime/onnxGraph';
import { Session } from '../runtime/sessions';
import { toFloats, toTensor } from '../runtime/tensors';

const rows = (name: string, count: string): ValueInfo => ({ name, type: 'float32', dims: [count, 'd'] });

const inputs = [rows('a', 'n'), rows('b', 'm')];
const outputs: ValueInfo[] = [{ name: 'cosines', type: 'float32', dims: ['n', 'm'] }];

const contract: Contract = {
  inputs: { a: float32(2), b: float32(2) },
  outputs: { cosines: float32(2) },
};

export class CosineGraph implements CosinePort {
  private constructor(private readonly session: Session) {}

  static async open(threads: number): Promise<CosineGraph> {
    const nodes = [{ op: 'Gemm', inputs: ['a', 'b'], outputs: ['cosines'], attributes: { transB: 1 } }];
    const model = encodeModel({ name: 'cosines', nodes, inputs, outputs });
    return new CosineGraph(await Session.open('cosine graph', model, contract, { threads }));
  }

  async cosines(a: TokenRows, b: TokenRows): Promise<Float32Array> {
    if (a.dim !== b.dim) throw new RangeError(`tokens have ${a.dim} and ${b.dim} channels, expected the same`);
    const tensor = (one: TokenRows) => toTensor({ dims: [rowCount(one), one.dim], data: one.data });
    const { cosines } = await this.session.run({ a: tensor(a), b: tensor(b) });
    return toFloats(cosines).data;
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }
}
