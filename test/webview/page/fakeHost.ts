/**
 * The host of the page's tests and of its preview: an extension host in the page itself, with a segmenter that draws
 * discs. Driven from outside through `fakeHost`. As in VS Code, messages are cloned and arrive later.
 */
import { Stroke } from '../../../src/core/drawing/brush';
import { classInk, eraserInk } from '../../../src/core/drawing/ink';
import {
  applyChange,
  changeOfClass,
  fits,
  invertChange,
  type LabelChange,
  rebase,
} from '../../../src/core/drawing/labelChange';
import { type Box, longSide } from '../../../src/core/geometry';
import {
  blankLabels,
  classRuns,
  fromLabelRuns,
  type LabelMap,
  toLabelRuns,
  unionRuns,
} from '../../../src/core/pixels/labelMap';
import type { RunMask } from '../../../src/core/pixels/mask';
import type { FloatMap } from '../../../src/core/pixels/raster';
import type { PromptCandidate, PromptReason } from '../../../src/core/prompting/prompts';
import { UserError } from '../../../src/core/userError';
import type { CanvasAction } from '../../../src/protocol/contributions';
import type {
  AutomaticResult,
  DocumentFacts,
  EditorApi,
  EditorState,
  PromptAnswer,
  PromptSession,
  PromptsEdit,
  ViewApi,
} from '../../../src/protocol/editorApi';
import { connect, type Handlers, type Peer } from '../../../src/rpc';
import { seededRandom } from '../../seeded';
import { lookAtLayout } from './layout';
import type { HostCall, Scene } from './scene';

interface Edit {
  readonly label: string;
  readonly change: LabelChange;
  readonly sessionBefore: PromptSession | null;
  readonly sessionAfter: PromptSession | null;
}

class FakeHost {
  readonly calls: HostCall[] = [];
  readonly lookAtLayout = lookAtLayout;
  labels: LabelMap;
  session: PromptSession | null = null;
  automatic: AutomaticResult | null;
  facts: DocumentFacts;
  /** Milliseconds that the segmenter takes. */
  private readonly answerAfter: number;
  /** Messages on their way and questions that are worked on. */
  busy = 0;
  private gate: Promise<void> = Promise.resolve();
  private openGate: () => void = () => undefined;
  private readonly done: Edit[] = [];
  private readonly undone: Edit[] = [];
  private newest = 0;
  private readonly page: Peer<ViewApi>;

  constructor(
    private readonly scene: Scene,
    post: (message: unknown) => void,
    listen: (receive: (message: unknown) => void) => void,
  ) {
    const { values, lengths } = scene.labels;
    const { size } = scene.image;
    this.labels = fromLabelRuns({ size, values: Uint8Array.from(values), lengths: Uint32Array.from(lengths) });
    this.facts = scene.facts;
    this.automatic = scene.automatic ? inventResult(this.labels, scene.facts.classId) : null;
    this.answerAfter = scene.answerAfter;
    this.page = connect<ViewApi, EditorApi>({ post, listen }, this.handlers());
  }

  /** After all messages have arrived, all questions are answered, and the outcome is drawn. */
  async settled(): Promise<void> {
    do await new Promise((resolve) => setTimeout(resolve, 0));
    while (this.busy > 0);
    for (let frame = 0; frame < 2; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
  }

  /** The segmenter answers nothing until `release`. */
  hold(): void {
    this.gate = new Promise((resolve) => {
      this.openGate = resolve;
    });
  }

  release(): void {
    this.openGate();
  }

  act(action: CanvasAction): Promise<void> {
    return this.page.call('act', { action });
  }

  say(text: string, busy: boolean): Promise<void> {
    return this.page.call('say', { text, busy });
  }

  setFacts(facts: Partial<DocumentFacts>): Promise<void> {
    this.facts = { ...this.facts, ...facts };
    return this.page.call('showFacts', this.facts);
  }

  /** Somebody else's change: every pixel of a box becomes the active class. */
  fillElsewhere(box: Box): Promise<void> {
    const before = { size: this.labels.size, data: this.labels.data.slice() };
    for (let y = box.top; y < box.bottom; y++) {
      this.labels.data.fill(this.facts.classId, y * before.size.width + box.left, y * before.size.width + box.right);
    }
    const change = changeOfClass(before, this.facts.classId, classRuns(this.labels, this.facts.classId));
    return this.update(change);
  }

  reset(): Promise<void> {
    return this.page.call('reset', this.state());
  }

  undo(): Promise<void> {
    const edit = this.done.pop();
    if (!edit) return Promise.resolve();
    this.undone.push(edit);
    return this.step(invertChange(edit.change), edit.sessionBefore);
  }

  redo(): Promise<void> {
    const edit = this.undone.pop();
    if (!edit) return Promise.resolve();
    this.done.push(edit);
    return this.step(edit.change, edit.sessionAfter);
  }

  /** Names of the edits, newest last. */
  get edits(): string[] {
    return this.done.map(({ label }) => label);
  }

  /** The labels as runs, for comparison in Node. */
  get pixels(): unknown {
    return plain(toLabelRuns(this.labels));
  }

  private step(change: LabelChange, session: PromptSession | null): Promise<void> {
    applyChange(this.labels, change);
    this.session = session;
    return this.update(change);
  }

  private handlers(): Handlers<EditorApi> {
    const recorded = <P, R>(method: string, handle: (params: P) => R): ((params: P) => R) => {
      return (params) => {
        this.calls.push({ method, params: plain(params) });
        return handle(params);
      };
    };
    return {
      ready: recorded('ready', () => this.state()),
      paint: recorded('paint', ({ label, change }) => {
        if (this.facts.readOnly !== null) throw new UserError(`${this.facts.name} cannot be changed.`);
        const exact = fits(this.labels, change) ? change : rebase(this.labels, change);
        applyChange(this.labels, exact);
        this.record(label, exact, this.session);
        void this.setFacts({ dirty: true, status: 'edited' });
      }),
      prompt: recorded('prompt', (params) => this.prompt(params)),
      finishPrompts: recorded('finishPrompts', () => {
        this.session = null;
        void this.update(null);
      }),
      discardPrompts: recorded('discardPrompts', () => this.discard()),
      selectClass: recorded('selectClass', ({ classId }) => {
        void this.setFacts({ classId });
      }),
      addClass: recorded('addClass', ({ name, colour }) => {
        const { classes } = this.facts;
        if (classes.some((other) => other.name === name)) throw new UserError(`There is a class ${name} already.`);
        const classId = Math.max(0, ...classes.map(({ id }) => id)) + 1;
        void this.setFacts({ classes: [...classes, { id: classId, name, colour }], classId });
        return { classId };
      }),
      setDisplayWindow: recorded('setDisplayWindow', ({ window }) => {
        void this.page.call('showImage', { ...this.scene.image, window: window ?? this.scene.image.window });
      }),
      run: recorded('run', ({ command }) => {
        if (command === 'undo') void this.undo();
        else if (command === 'redo') void this.redo();
      }),
      setCanvasFocus: recorded('setCanvasFocus', () => undefined),
      log: recorded('log', ({ level, message }) => {
        if (level === 'error') console.error(message);
      }),
    };
  }

  private async prompt({ label, prompts }: { label: string; prompts: PromptsEdit }): Promise<PromptAnswer> {
    const started = performance.now();
    const turn = ++this.newest;
    this.busy++;
    await new Promise((resolve) => setTimeout(resolve, this.answerAfter));
    this.busy--;
    await this.gate;
    if (turn !== this.newest) return { asked: false, iouPrediction: null, milliseconds: 0 };
    if (prompts.points.length === 0 && !prompts.box) {
      this.discard();
      return { asked: true, iouPrediction: null, milliseconds: performance.now() - started };
    }
    const { classId } = this.facts;
    const isAutomatic = this.automatic?.candidates.some(
      ({ point }) => point.x === prompts.points[0]?.point.x && point.y === prompts.points[0].point.y,
    );
    const origin = this.session?.origin ?? (isAutomatic ? 'automatic' : 'person');
    const blank: RunMask = { size: this.labels.size, runs: Uint32Array.of(this.labels.data.length) };
    const base = this.session?.base ?? (origin === 'automatic' ? blank : classRuns(this.labels, classId));
    const answer = drawAnswer(this.labels, prompts);
    const change = changeOfClass(this.labels, classId, origin === 'automatic' ? answer : unionRuns(base, answer));
    const before = this.session;
    const session: PromptSession = { classId, ...prompts, origin, base, iouPrediction: 0.9 };
    applyChange(this.labels, change);
    this.session = session;
    this.record(label, change, before);
    void this.update(change);
    return { asked: true, iouPrediction: 0.9, milliseconds: performance.now() - started };
  }

  private discard(): void {
    this.newest++;
    const { session } = this;
    if (!session) return;
    const change = changeOfClass(this.labels, session.classId, session.base);
    applyChange(this.labels, change);
    this.session = null;
    this.record('Discard Prompts', change, session);
    void this.update(change);
  }

  private record(label: string, change: LabelChange, sessionBefore: PromptSession | null): void {
    this.undone.length = 0;
    this.done.push({ label, change, sessionBefore, sessionAfter: this.session });
    this.facts = { ...this.facts, dirty: true };
  }

  private update(change: LabelChange | null): Promise<void> {
    const { automatic, session, facts } = this;
    return this.page.call('update', { change, automatic, session, facts });
  }

  private state(): EditorState {
    const { automatic, session, facts } = this;
    return { image: this.scene.image, labels: toLabelRuns(this.labels), automatic, session, facts };
  }
}

/** Discs about the positive points and in the box, less those about the negative ones. */
function drawAnswer({ size }: LabelMap, { points, box }: PromptsEdit): RunMask {
  const answer = blankLabels(size);
  const radius = longSide(size) * 0.08;
  const disc = (x: number, y: number, r: number, ink: ReturnType<typeof classInk>) =>
    new Stroke(answer, ink, r).moveTo({ x, y });
  if (box) {
    const r = Math.min(box.right - box.left, box.bottom - box.top) / 2;
    disc((box.left + box.right) / 2, (box.top + box.bottom) / 2, r, classInk(1, false));
  }
  for (const { point, label } of points) if (label === 1) disc(point.x, point.y, radius, classInk(1, false));
  for (const { point, label } of points) if (label === 0) disc(point.x, point.y, radius, eraserInk(1, true));
  return classRuns(answer, 1);
}

const PATCHES = 28;
const DROPPED: readonly PromptReason[] = ['failed backward', 'outlier', 'too close to a positive', 'thinned'];

/** Candidates on a patch grid, positive inside the class and negative outside, most of them dropped. */
function inventResult({ size, data }: LabelMap, classId: number): AutomaticResult {
  const random = seededRandom(5);
  const candidates: PromptCandidate[] = [];
  const heatMap: FloatMap = { size: { width: PATCHES, height: PATCHES }, data: new Float32Array(PATCHES ** 2) };
  for (let patch = 0; patch < PATCHES ** 2; patch++) {
    const x = (((patch % PATCHES) + 0.5) / PATCHES) * size.width;
    const y = ((Math.floor(patch / PATCHES) + 0.5) / PATCHES) * size.height;
    const isInside = data[Math.floor(y) * size.width + Math.floor(x)] === classId;
    heatMap.data[patch] = (isInside ? 4 : -4) + 3 * (random() - 0.5);
    if (random() > (isInside ? 0.5 : 0.06)) continue;
    candidates.push({
      point: { x, y },
      label: isInside ? 1 : 0,
      reason: random() < 0.35 ? 'kept' : DROPPED[Math.floor(random() * DROPPED.length)],
      source: isInside || random() < 0.7 ? 'forward' : 'hard',
      instance: 0,
      targetPatch: patch,
      referencePatch: patch,
      backPatch: patch,
      forwardDistance: 0.2 + random() * 0.5,
      backwardDistance: 0.2 + random() * 0.5,
    });
  }
  return {
    classId,
    candidates,
    heatMap,
    trust: 0.88,
    trustParts: { forwardSimilarity: 0.71, stability: 0.93, borderKept: null },
    iouPrediction: 0.93,
    outcome: 'mask',
    notes: ['The reference tells object from background well: the prior leads.'],
    times: { read: 12, encode: 81, match: 9, prompts: 3, decode: 14, mask: 6, total: 127 },
    device: 'CPU x2',
  };
}

/** Typed arrays as plain ones, so that a call can be looked at from Node. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return [...(value as Uint8Array)];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

const STATE_KEY = 'webview-state';

declare global {
  interface Window {
    scene: Scene;
    fakeHost: FakeHost;
    acquireVsCodeApi(): unknown;
  }
}

const listeners: ((message: unknown) => void)[] = [];

/** As a message port does: a copy, later. */
function deliver(message: unknown, receive: (copy: unknown) => void): void {
  const copy: unknown = structuredClone(message);
  // The host's first messages are sent while it is still being made.
  const host = window.fakeHost as FakeHost | undefined;
  if (host) host.busy++;
  setTimeout(() => {
    if (host) host.busy--;
    receive(copy);
  }, 0);
}

window.fakeHost = new FakeHost(
  window.scene,
  (message) => deliver(message, (data) => window.dispatchEvent(new MessageEvent('message', { data }))),
  (receive) => listeners.push(receive),
);
window.acquireVsCodeApi = () => ({
  postMessage: (message: unknown) =>
    deliver(message, (copy) => {
      for (const receive of listeners) receive(copy);
    }),
  getState: (): unknown => JSON.parse(sessionStorage.getItem(STATE_KEY) ?? 'null'),
  setState: (state: unknown) => sessionStorage.setItem(STATE_KEY, JSON.stringify(state)),
});
