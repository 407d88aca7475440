/** Entry of the runner process: batches run here, apart from the extension host, behind the calls of RunnerApi. */
import { configFromArguments, exitWithParent, serveParent } from '../processes/parent';
import type { RunnerApi, RunnerConfig, RunnerEvents } from '../protocol/runnerApi';
import type { Peer } from '../rpc';
import { FolderRunner } from './folderRunner';

exitWithParent();
// The parent has no answer to give that matters here, and when it goes this process does too.
const events: RunnerEvents = {
  progress: (params) => void parent.call('progress', params).catch(() => undefined),
  note: (params) => void parent.call('note', params).catch(() => undefined),
};
const parent: Peer<RunnerEvents> = serveParent<RunnerApi, RunnerEvents>(
  new FolderRunner(configFromArguments<RunnerConfig>(), events),
);
