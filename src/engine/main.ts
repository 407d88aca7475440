/** Entry of the engine process: everything that infers happens here, behind the calls of EngineApi; or a probe of a device. */
import { configFromArguments, exitWithParent, serveParent } from '../processes/parent';
import type { ProbeApi, ProbeConfig } from '../protocol/deviceApi';
import type { EngineApi, EngineConfig, EngineEvents, EngineInfo } from '../protocol/engineApi';
import type { Peer } from '../rpc';
import { DeviceProbe } from './deviceMeasure';
import { Engine } from './engine';

exitWithParent();
const config = configFromArguments<EngineConfig | ProbeConfig>();
if ('probe' in config) serveParent<ProbeApi>(new DeviceProbe(config));
else {
  // A parent that does not care, or has gone, is no reason to stop.
  const tell = (info: EngineInfo) => void parent.call('placed', info).catch(() => undefined);
  const parent: Peer<EngineEvents> = serveParent<EngineApi, EngineEvents>(new Engine(config, tell));
}
