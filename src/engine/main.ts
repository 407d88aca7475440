/** Entry of the engine process: everything that infers happens here, behind the calls of EngineApi; or a probe of a device. */
import { configFromArguments, exitWithParent, serveParent } from '../processes/parent';
import type { ProbeApi, ProbeConfig } from '../protocol/deviceApi';
import type { EngineApi, EngineConfig } from '../protocol/engineApi';
import { DeviceProbe } from './deviceMeasure';
import { Engine } from './engine';

exitWithParent();
const config = configFromArguments<EngineConfig | ProbeConfig>();
if ('probe' in config) serveParent<ProbeApi>(new DeviceProbe(config));
else serveParent<EngineApi>(new Engine(config));
