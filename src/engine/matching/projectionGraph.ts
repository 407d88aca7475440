/**
 * Stage *position removal*, directions taken out of tokens, as an ONNX graph: two matrix products, which in plain loops
 * would cost more than the encoder. The specification is `projectOut` of test/oracles.ts.
 */
import { rowCount, type TokenRows } from '../../core/tokens/tokenRows';
import { type Contract, float32 } from '../runtime/contract';
import { encodeModel, type Initializer, type ValueInfo } from '../runtime/onnxGraph';
import { Session } from '../runtime/sessions';
import { toFloats, toTensor } from '../runtime/tensors';

export class ProjectionGraph {
  private constructor(
    private readonly session: Session,
    private readonly dim: number,
  ) {}

  /** @param directions orthonormal; with none of them nothing is taken out. */
  static async open(directions: TokenRows, threads: number): Promise<ProjectionGraph> {
    const session = await Session.open('projection graph', projectionModel(directions), contract, { threads });
    return new ProjectionGraph(session, directions.dim);
  }

  /** The tokens less their parts along the directions. */
  async projectOut({ data, dim }: TokenRows): Promise<TokenRows> {
    if (dim !== this.dim) throw new RangeError(`directions of ${this.dim} channels for tokens of ${dim}`);
    const { rest } = await this.session.run({ tokens: toTensor({ dims: [rowCount({ data, dim }), dim], data }) });
    return { dim, data: toFloats(rest!).data };
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }
}

const contract: Contract = {
  inputs: { tokens: float32(2) },
  outputs: { rest: float32(2) },
};

function projectionModel(directions: TokenRows): Uint8Array {
  const { dim, data } = directions;
  const tokens: ValueInfo = { name: 'tokens', type: 'float32', dims: ['n', dim] };
  const rest: ValueInfo = { name: 'rest', type: 'float32', dims: ['n', dim] };
  if (data.length === 0) {
    const nodes = [{ op: 'Identity', inputs: ['tokens'], outputs: ['rest'] }];
    return encodeModel({ name: 'projection', inputs: [tokens], outputs: [rest], nodes });
  }
  const rows: Initializer = { name: 'directions', type: 'float32', dims: [rowCount(directions), dim], data };
  return encodeModel({
    name: 'projection',
    inputs: [tokens],
    outputs: [rest],
    nodes: [
      { op: 'Transpose', inputs: ['directions'], outputs: ['columns'], attributes: { perm: [1, 0] } },
      { op: 'MatMul', inputs: ['tokens', 'columns'], outputs: ['along'] },
      { op: 'MatMul', inputs: ['along', 'directions'], outputs: ['parts'] },
      { op: 'Sub', inputs: ['tokens', 'parts'], outputs: ['rest'] },
    ],
    initializers: [rows],
  });
}
