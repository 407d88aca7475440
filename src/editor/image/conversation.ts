/**
 * The conversation with the segmenter about an open image: prompts of a person and their answers, Segment Image, and
 * the encoding ahead of the first question. Every answer becomes one edit; undo and redo never infer again.
 */
import { changeOfClass, isUnchanged } from '../../core/drawing/labelChange';
import { classRuns, type LabelMap, unionRuns } from '../../core/pixels/labelMap';
import type { SegmenterCapabilities } from '../../core/prompting/segmenter';
import { isPersons } from '../../dataset/journal/journal';
import type { PromptAnswer, PromptsEdit } from '../../protocol/editorApi';
import type { DecodeRequest, EngineApi, EngineInfo } from '../../protocol/engineApi';
import type { Remote } from '../../rpc';
import type { Edits } from '../document/edits';
import type { HostSession, LabelDocument } from '../document/labelDocument';
import { standingRounds } from '../document/promptRounds';
import type { FilesOnDisk } from './filesOnDisk';
import type { ImagePlace } from './imageFiles';
import { NewestWins } from './newest';
import type { ProjectFacts } from './projectFacts';
import { automaticSession, segmentImage } from './segmentation';

/** The parts of an open image that questions and answers concern. */
interface ConversationContext {
  readonly place: ImagePlace;
  readonly engine: Remote<EngineApi>;
  readonly document: LabelDocument;
  readonly edits: Edits;
  readonly project: ProjectFacts;
  readonly files: FilesOnDisk;
  /** Aborts when the image is closed. */
  readonly signal: AbortSignal;
  /** Told what the engine says of itself, once its models are loaded. */
  onEngine(info: EngineInfo): void;
  /** A sentence for the person; `busy` until the next one. */
  say(text: string, busy?: boolean): void;
  log(line: string): void;
}

export class Conversation {
  private readonly prompting = new NewestWins();
  private known: SegmenterCapabilities | null = null;

  constructor(private readonly context: ConversationContext) {}

  /** What the segmenter can do; null until its models are loaded. */
  get capabilities(): SegmenterCapabilities | null {
    return this.known;
  }

  /** Encodes the image while the person looks at it, so that the first click is answered as fast as the next ones. */
  async warmUp(): Promise<void> {
    const { engine, place, project, signal, onEngine, log } = this.context;
    try {
      await engine.prefetch({ image: place.path, ...project.encoderView }, { signal });
      const info = await engine.info(undefined, { signal });
      this.known = info.capabilities;
      onEngine(info);
    } catch (error) {
      if (signal.aborted) return;
      // The first click will meet the same and say so; the log knows already.
      log(`${place.path} could not be encoded: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** A question that waits is no longer asked. */
  cancel(): void {
    this.prompting.cancel();
  }

  async prompt({ label, prompts }: { label: string; prompts: PromptsEdit }): Promise<PromptAnswer> {
    const { edits, log } = this.context;
    edits.checkWritable();
    const started = performance.now();
    if (prompts.points.length === 0 && prompts.box === null) {
      this.discard();
      return { asked: false, iouPrediction: null, milliseconds: 0 };
    }
    const answer = await this.prompting.run(() => this.decode(label, prompts));
    const milliseconds = performance.now() - started;
    if (answer) log(`prompt answered in ${milliseconds.toFixed(0)} ms`);
    return { asked: answer !== undefined, iouPrediction: answer?.iouPrediction ?? null, milliseconds };
  }

  /** Ends the session: its pixels stay, its prompts go. */
  finish(): void {
    const { document } = this.context;
    this.prompting.cancel();
    if (document.state.session) document.setState({ session: null });
  }

  /** Takes the session's pixels back, but leaves those of Segment Image, which undo takes back. */
  discard(): void {
    const { document, edits } = this.context;
    this.prompting.cancel();
    const { session } = document.state;
    if (session?.origin === 'automatic') this.finish();
    else if (session) {
      const change = changeOfClass(document.labels, session.classId, session.base);
      edits.make('Discard Prompts', change, { session: null });
    }
  }

  /** Segments the selected class as one edit. */
  async segment(signal: AbortSignal): Promise<void> {
    const { place, engine, document, edits, project, files, say } = this.context;
    edits.checkWritable();
    this.prompting.cancel();
    const { selectedClass } = project;
    const { id: classId } = selectedClass;
    say('Segmenting...', true);
    try {
      const both = AbortSignal.any([signal, this.context.signal]);
      const found = await segmentImage(engine, place.root, place.path, selectedClass, both);
      const { result, run, teaching, automatic } = found;
      files.checkSize(result.size);
      const change = changeOfClass(document.labels, classId, result.mask);
      // A person's mask that the run draws just so stays the person's.
      const isKept = isUnchanged(change) && project.entry !== undefined && isPersons(project.entry.status);
      const origin = { by: 'run', run, result, ...(teaching && { teaching }) } as const;
      const origins = isKept ? document.state.origins : edits.originsWith([classId], origin);
      edits.make('Segment Image', change, { session: automaticSession(classId, result), automatic, origins });
      const [said] = result.notes;
      const outcome = result.outcome === 'absent' ? `Probably absent: ${said ?? 'nothing matched'}` : 'Segmented';
      say(`${outcome} in ${Math.round(result.times.total)} ms`);
    } catch (error) {
      say('');
      throw error;
    }
  }

  /** Asks, and puts the answer into the labels; undefined where nobody is to have it any more. */
  private async decode(label: string, { points, box }: PromptsEdit): Promise<{ iouPrediction: number } | undefined> {
    const { document, edits, files, engine } = this.context;
    const before = document.state.session;
    const session = before ?? newSession(document.labels, this.context.project.classId);
    const standing = standingRounds(before?.rounds ?? [], { points, box });
    const question = this.question({ points, box }, before, standing.at(-1)?.logits);
    const answer = await engine.decode(question, { signal: this.context.signal });
    // Somebody painted, undid or ended the session meanwhile: the answer is to a question that no longer stands.
    if (document.state.session !== before) return undefined;
    files.checkSize(answer.mask.size);
    const mask = unionRuns(session.base, answer.mask);
    const { iouPrediction, maskPrompt: logits } = answer;
    const rounds = logits ? [...standing, { points, box, logits }] : standing;
    edits.make(label, changeOfClass(document.labels, session.classId, mask), {
      session: { ...session, points, box, iouPrediction, rounds },
    });
    return { iouPrediction };
  }

  /** @param last logits of the last answer that still stands */
  private question(
    { points, box }: PromptsEdit,
    before: HostSession | null,
    last: DecodeRequest['prompts']['maskPrompt'],
  ): DecodeRequest {
    const { place, project } = this.context;
    const maskPrompt = last ?? before?.maskPrompt;
    return {
      image: place.path,
      prompts: { points, ...(box && { box }), ...(maskPrompt && { maskPrompt }) },
      ...(before?.maskPrompt && { asApMedSam: true }),
      ...(last === undefined && before?.answerPrior && { answerPrior: before.answerPrior }),
      // What began as a strategy's prompts is drawn as the strategy draws.
      ...((before?.origin ?? 'person') === 'person' && { bestOverlap: true }),
      withMaskPrompt: this.known?.iterative ?? false,
      ...project.encoderView,
    };
  }
}

/** A session of a person, whose answers are put beside what the class has already. */
const newSession = (labels: LabelMap, classId: number) => ({
  classId,
  origin: 'person' as const,
  base: classRuns(labels, classId),
});
