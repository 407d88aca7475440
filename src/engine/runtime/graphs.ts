/** Opens the graphs that a model's files are. */
import { familyTraits } from '../../models/families';
import type { ResolvedModel } from '../../models/modelStore';
import type { Contract } from './contract';
import { Session, type SessionOptions } from './sessions';

/**
 * @param role of the graph's file.
 * @throws UserError when the graph is not the contract's.
 */
export function openGraph(
  { entry, paths }: ResolvedModel,
  role: string,
  contracts: Contract | readonly Contract[],
  options: SessionOptions,
): Promise<Session> {
  const graphs = familyTraits(entry.kind, entry.family)!.graphs;
  const part = graphs.length > 1 ? `, ${role}` : '';
  const title = `${entry.kind === 'encoder' ? 'Encoder' : 'Segmenter'} "${entry.id}"${part}`;
  const externalData = entry.files.some((file) => !graphs.includes(file.role));
  const int8Weights = entry.int8Weights ?? options.int8Weights ?? false;
  return Session.open(title, paths[role]!, contracts, { ...options, int8Weights, externalData });
}

/** The graphs of a segmenter that reads pixels. */
export interface GraphPair {
  readonly encoder: Session;
  readonly decoder: Session;
  dispose(): Promise<void>;
}

/** Both graphs, or none. */
export async function openPair(
  model: ResolvedModel,
  contracts: { readonly encoder: Contract | readonly Contract[]; readonly decoder: Contract | readonly Contract[] },
  threads: number,
): Promise<GraphPair> {
  // The small one first: what is wrong shows sooner.
  const decoder = await openGraph(model, 'decoder', contracts.decoder, { threads });
  try {
    const encoder = await openGraph(model, 'encoder', contracts.encoder, { threads });
    const dispose = async () => {
      await encoder.dispose();
      await decoder.dispose();
    };
    return { encoder, decoder, dispose };
  } catch (error) {
    await decoder.dispose();
    throw error;
  }
}
