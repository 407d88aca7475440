/**
 * Entry of the engine process: everything that infers happens here, behind the calls of EngineApi; or a probe of a
 * device.
 */
import { configFromArguments, exitWithParent, serveParent } from '../processes/parent';
import type { ProbeApi, ProbeConfig } from '../protocol/deviceApi';
import type { EngineApi, EngineConfig, EngineEvents } from '../protocol/engineApi';
import type { Peer } from '../rpc';
import { Engine } from './engine';
import { DeviceProbe } from './models/deviceMeasure';
import { onTheClock, WorkClock } from './runtime/workClock';

exitWithParent();
const config = configFromArguments<EngineConfig | ProbeConfig>();
if ('probe' in config) serveParent<ProbeApi>(new DeviceProbe(config));
else {
  // A parent that does not care, or has gone, is no reason to stop.
  const tell: EngineEvents = {
    placed: (info) => void parent.call('placed', info).catch(() => undefined),
    note: (said) => void parent.call('note', said).catch(() => undefined),
    busy: (busy) => void parent.call('busy', busy).catch(() => undefined),
    overdue: (what) => void parent.call('overdue', what).catch(() => undefined),
  };
  const engine = new Engine(config, tell);
  const { imageSeconds } = config;
  const limitMs = imageSeconds ? imageSeconds * 1000 : Number.POSITIVE_INFINITY;
  const handlers = onTheClock<EngineApi>(engine, new WorkClock({ limitMs, events: tell }));
  const parent: Peer<EngineEvents> = serveParent<EngineApi, EngineEvents>(handlers);
}
