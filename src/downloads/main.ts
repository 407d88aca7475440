/** Entry of the model process: downloads, imports and checks model files, apart from the extension host. */
import { configFromArguments, exitWithParent, serveParent } from '../processes/parent';
import type { ModelApi, ModelEvents, ModelProcessConfig } from '../protocol/modelApi';
import type { Peer } from '../rpc';
import { ModelWork } from './modelWork';

exitWithParent();
const call: Peer<ModelEvents>['call'] = (...args) => parent.call(...args);
const parent: Peer<ModelEvents> = serveParent<ModelApi, ModelEvents>(
  new ModelWork(configFromArguments<ModelProcessConfig>(), call),
);
