/** Entry of the engine process: everything that infers happens here, behind the calls of EngineApi. */
import { configFromArguments, exitWithParent, serveParent } from '../processes/parent';
import type { EngineApi, EngineConfig } from '../protocol/engineApi';
import { Engine } from './engine';

exitWithParent();
serveParent<EngineApi>(new Engine(configFromArguments<EngineConfig>()));
