/** Entry of the model process: downloads, imports and checks model files, apart from the extension host. */
import { configFromArguments, exitWithParent, serveParent } from '../processes/parent';
import type { ModelApi, ModelEvents, ModelProcessConfig } from '../protocol/modelApi';
import type { Peer } from '../rpc';
import { type Listener, ModelWork } from './modelWork';

exitWithParent();
const listener: Listener = {
  cudaProgress: (params, options) => parent.call('cudaProgress', params, options),
  progress: (params, options) => parent.call('progress', params, options),
  confirm: (params, options) => parent.call('confirm', params, options),
};
const parent: Peer<ModelEvents> = serveParent<ModelApi, ModelEvents>(
  new ModelWork(configFromArguments<ModelProcessConfig>(), listener),
);
