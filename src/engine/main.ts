/** Entry of the engine process: everything that infers happens here, behind the calls of EngineApi. */
import { Engine } from './engine';
import { configFromArguments, exitWithParent, serveParent } from './parent';

exitWithParent();
serveParent(new Engine(configFromArguments()));
