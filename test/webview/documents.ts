/** What a host would tell a page, for tests of the page. */
import { type LabelMap, toLabelRuns } from '../../src/core/pixels/labelMap';
import type { PromptCandidate } from '../../src/core/prompting/prompts';
import type { AutomaticResult, DocumentFacts, EditorState, PromptSession } from '../../src/protocol/editorApi';
import type { PageModel } from '../../webview/document/pageModel';
import { everyCapability } from '../fakes';

export const someFacts: DocumentFacts = {
  name: 'knee_07.png',
  classes: [
    { id: 1, name: 'Bone', colour: '#e6a23c' },
    { id: 2, name: 'Cartilage', colour: '#4aa3df' },
  ],
  classId: 1,
  status: null,
  dirty: false,
  readOnly: null,
  needsTrust: false,
  failure: null,
  isReference: false,
  reference: null,
  voters: 0,
  changedOnDisk: false,
  capabilities: everyCapability,
};

export function stateOf(labels: LabelMap, facts: Partial<DocumentFacts> = {}): EditorState {
  return {
    image: { size: labels.size, overview: 'overview.png', tiles: null, depth: 8, window: null },
    labels: toLabelRuns(labels),
    automatic: null,
    session: null,
    facts: { ...someFacts, ...facts },
  };
}

export function sessionOf(labels: LabelMap, session: Partial<PromptSession>): PromptSession {
  const runs = Uint32Array.of(labels.data.length);
  return {
    classId: 1,
    points: [],
    box: null,
    origin: 'person',
    base: { size: labels.size, runs },
    iouPrediction: 0.9,
    ...session,
  };
}

export function candidateAt(x: number, y: number, about: Partial<PromptCandidate> = {}): PromptCandidate {
  return {
    point: { x, y },
    label: 1,
    reason: 'kept',
    source: 'forward',
    instance: 0,
    targetPatch: 0,
    referencePatch: 0,
    backPatch: 0,
    forwardDistance: 0.4,
    backwardDistance: 0.3,
    ...about,
  };
}

export function automaticOf(
  candidates: readonly PromptCandidate[],
  about: Partial<AutomaticResult> = {},
): AutomaticResult {
  return {
    classId: 1,
    candidates,
    heatMap: null,
    trust: 0.84,
    trustParts: {},
    iouPrediction: 0.91,
    outcome: 'mask',
    notes: [],
    times: { total: 120 },
    device: 'CPU x2',
    ...about,
  };
}

/** Whether a model lets the host wait because somebody is drawing. */
export function isWaiting(model: PageModel): boolean {
  const facts = { ...model.facts };
  model.showFacts(facts);
  return model.facts !== facts;
}
