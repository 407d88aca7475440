/**
 * Pointer and keys of the canvas. Every tool pans with Space, the middle button and, where it draws nothing, the
 * arrows; points that are worked on obey in every tool; all else goes to the tool. Letter keys are VS Code's key
 * bindings and never handled here. One file although it is long: whichever of the two begins a gesture, the other one
 * must know of it.
 */
import type { Point } from '../../src/core/geometry';
import type { CanvasTool } from '../../src/protocol/contributions';
import type { PromptHit } from '../canvas/promptMarkers';
import type { Viewer } from '../canvas/viewer';
import { KeyboardCursor } from './keyboardCursor';
import type { PointGrip } from './pointGrip';
import type { Tool, ToolPointer } from './tool';

/** What is under the pointer or the keyboard's cursor. */
export interface Pointed {
  readonly screenPx: Point;
  readonly targetPx: Point;
  /** Null also while something is being dragged. */
  readonly hit: PromptHit | null;
}

interface InputEvents {
  onPointed(pointed: Pointed | null): void;
  onFocus(focused: boolean): void;
  /** Why the tool cannot be used now, or null. Asked before it is. */
  refuse(tool: CanvasTool): string | null;
  onRefused(reason: string): void;
  /** Esc where the tool has nothing to give up. */
  onCancel(): void;
  /** Takes away the prompt that was hit, else the point that was touched last; says whether there was one. */
  removePrompt(hit: PromptHit | null, since: number): boolean;
  /** A button or key has acted at this place. */
  onActed(screenPx: Point): void;
}

/** ScreenPx that an arrow key moves the image by. */
const PAN_STEP = 48;
/** Shift with an arrow goes this many times as far. */
const FAST = 8;

const ARROWS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** The keys of the canvas, as a screen reader tells them. */
const KEYS =
  'Arrow keys move the cursor of a tool, or the image with the pan tool; Shift goes further. Enter acts at the cursor, Shift+Enter does the opposite. On a point Enter flips it, Shift+Enter or Delete removes it. Escape gives up.';

type Gesture = { readonly kind: 'pan'; last: Point } | { readonly kind: 'tool' | 'point' };

export class CanvasInput {
  private active: CanvasTool;
  private gesture: Gesture | undefined;
  private isSpaceHeld = false;
  /** Where the pointer was last, while it is over the canvas. */
  private pointer: ToolPointer | undefined;
  /** A press now would be for a point. */
  private isOverPoint = false;
  private readonly cursor: KeyboardCursor;

  constructor(
    private readonly viewer: Viewer,
    container: HTMLElement,
    private readonly tools: Readonly<Record<CanvasTool, Tool>>,
    private readonly grip: PointGrip,
    first: CanvasTool,
    private readonly events: InputEvents,
  ) {
    this.active = first;
    this.cursor = new KeyboardCursor(viewer, container);
    const { surface } = viewer;
    surface.addEventListener('pointerdown', (event) => this.pointerDown(event));
    surface.addEventListener('pointermove', (event) => this.pointerMove(event));
    surface.addEventListener('pointerup', (event) => this.pointerUp(event));
    surface.addEventListener('pointercancel', (event) => this.pointerUp(event));
    surface.addEventListener('pointerleave', () => this.pointerLeave());
    surface.addEventListener('dblclick', (event) => this.doubleClick(event));
    surface.addEventListener('contextmenu', (event) => event.preventDefault());
    surface.addEventListener('keydown', (event) => this.keyDown(event));
    surface.addEventListener('keyup', (event) => this.keyUp(event));
    surface.addEventListener('focus', () => events.onFocus(true));
    surface.addEventListener('blur', () => this.blurred());
    this.tool.enter();
    this.updateCursor();
  }

  /** Tells those who do not see the canvas what it shows, and which keys it takes. */
  describe(name: string): void {
    const { surface } = this.viewer;
    surface.setAttribute('aria-label', `Canvas: ${name}`);
    surface.setAttribute('aria-description', KEYS);
  }

  get tool(): Tool {
    return this.tools[this.active];
  }

  select(tool: CanvasTool): void {
    if (tool === this.active) return;
    this.endGesture();
    this.grip.cancel();
    this.tool.leave();
    this.active = tool;
    this.tool.enter();
    const at = this.at();
    if (at) this.tool.hover(at);
    this.updateCursor();
  }

  /** Takes away the prompt under the pointer or the keyboard's cursor, else the one that was touched last. */
  removePrompt(): boolean {
    const at = this.at();
    const hit = at ? this.viewer.hitPrompt(at.screenPx) : null;
    return this.events.removePrompt(hit, performance.now()) || this.tool.removeSelected();
  }

  cancel(): void {
    if (!this.grip.cancel() && !this.tool.cancel()) this.events.onCancel();
    this.gesture = undefined;
    this.updateCursor();
  }

  /** Ends what is being dragged, keeping it. */
  endGesture(): void {
    if (this.pointer) this.release(this.pointer);
    this.gesture = undefined;
    this.isSpaceHeld = false;
    this.lift();
  }

  /** The labels have been replaced under a tool that was writing into them. */
  abandonGesture(): void {
    for (const tool of Object.values(this.tools)) tool.abandon();
    this.grip.cancel();
    if (this.gesture?.kind !== 'pan') this.gesture = undefined;
  }

  /** The image has moved under the keyboard's cursor, or prompts have moved under the pointer. */
  refresh(): void {
    this.cursor.place();
    this.point();
  }

  /** The tool may have become usable or not. */
  updateCursor(): void {
    const { surface } = this.viewer;
    if (this.gesture?.kind === 'pan') surface.style.cursor = 'grabbing';
    else if (this.isSpaceHeld) surface.style.cursor = 'grab';
    else if (this.isOverPoint) surface.style.cursor = 'pointer';
    else surface.style.cursor = this.events.refuse(this.active) ? 'not-allowed' : this.tool.cursor;
  }

  private pointerDown(event: PointerEvent): void {
    if (this.gesture || event.button > 2) return;
    // A middle click would start the browser's own scrolling.
    if (event.button === 1) event.preventDefault();
    this.viewer.surface.focus({ preventScroll: true });
    this.hideCursor();
    this.viewer.surface.setPointerCapture(event.pointerId);
    const pointer = this.pointerOf(event);
    this.pointer = pointer;
    this.events.onActed(pointer.screenPx);
    const pans = event.button === 1 || this.isSpaceHeld;
    if (!pans && this.obeys() && this.grip.press(pointer, this.tool.adopts)) {
      this.gesture = { kind: 'point' };
    } else if (pans || this.active === 'pan') {
      this.gesture = { kind: 'pan', last: pointer.screenPx };
      this.updateCursor();
    } else if (this.isAllowed()) {
      this.gesture = { kind: 'tool' };
      this.tool.press(pointer);
    }
    this.point();
  }

  private pointerMove(event: PointerEvent): void {
    this.hideCursor();
    const pointer = this.pointerOf(event);
    this.pointer = pointer;
    const { gesture } = this;
    if (gesture?.kind === 'pan') {
      const { last } = gesture;
      gesture.last = pointer.screenPx;
      this.viewer.setViewport(this.viewer.viewport.panned(pointer.screenPx.x - last.x, pointer.screenPx.y - last.y));
    } else if (gesture) {
      // The browser hands on one event per frame; a fast stroke needs those in between.
      const steps = event.getCoalescedEvents();
      const target = gesture.kind === 'point' ? this.grip : this.tool;
      for (const step of steps.length > 0 ? steps : [event]) target.drag(this.pointerOf(step));
    } else {
      this.tool.hover(pointer);
    }
    this.point();
  }

  private pointerUp(event: PointerEvent): void {
    if (!this.gesture) return;
    const pointer = this.pointerOf(event);
    this.pointer = pointer;
    this.release(pointer);
    this.gesture = undefined;
    this.events.onActed(pointer.screenPx);
    this.updateCursor();
    this.point();
  }

  private release(pointer: ToolPointer): void {
    if (this.gesture?.kind === 'tool') this.tool.release(pointer);
    else if (this.gesture?.kind === 'point') this.grip.release(pointer);
  }

  private pointerLeave(): void {
    if (this.gesture) return;
    this.pointer = undefined;
    this.tool.hover(this.at() ?? null);
    this.point();
  }

  private doubleClick(event: MouseEvent): void {
    if (event.button !== 0 || this.isSpaceHeld) return;
    const pointer = this.pointerOf(event);
    if (this.obeys() && this.grip.doublePress(pointer)) return;
    if (this.active !== 'pan' && this.isAllowed()) this.tool.doublePress(pointer);
  }

  private keyDown(event: KeyboardEvent): void {
    // With Ctrl or Cmd a key is VS Code's.
    if (event.ctrlKey || event.metaKey) return;
    if (this.handleKey(event)) event.preventDefault();
  }

  private handleKey(event: KeyboardEvent): boolean {
    const arrow = ARROWS[event.key];
    // Alt with an arrow goes back and forth among editors.
    if (arrow && !event.altKey) this.arrow(arrow, event.shiftKey);
    else if (event.key === ' ') this.holdSpace();
    else if (event.key === 'Escape') this.cancel();
    else if (event.key === 'Enter') return this.enter(event);
    else if (event.key === 'Backspace') return this.isAllowed() && this.tool.removeLast();
    else if (event.key === 'Delete')
      return this.obeys() ? this.removePrompt() : this.isAllowed() && this.tool.removeSelected();
    else return false;
    return true;
  }

  private keyUp(event: KeyboardEvent): void {
    if (event.key !== ' ') return;
    this.isSpaceHeld = false;
    this.updateCursor();
  }

  private holdSpace(): void {
    if (this.gesture) return;
    this.isSpaceHeld = true;
    this.updateCursor();
  }

  private enter(event: KeyboardEvent): boolean {
    if (event.repeat || this.gesture) return false;
    const { targetPx } = this.cursor;
    if (!targetPx) return this.tool.finish(event.shiftKey);
    const pointer = { ...this.pointerAt(targetPx, event.timeStamp), opposite: event.shiftKey };
    this.events.onActed(pointer.screenPx);
    if (!(this.obeys() && this.grip.act(pointer, this.tool.adopts)) && this.isAllowed()) this.tool.act(pointer);
    this.point();
    return true;
  }

  /** Pans, or moves the keyboard's cursor for a tool that has a use for it. */
  private arrow(direction: Point, isFast: boolean): void {
    const times = isFast ? FAST : 1;
    if (this.active === 'pan') {
      const { viewer } = this;
      const step = PAN_STEP * times;
      viewer.setViewport(viewer.viewport.panned(-direction.x * step, -direction.y * step));
      return;
    }
    const targetPx = this.cursor.move(direction, times, this.pointer?.targetPx);
    this.tool.hover(this.pointerAt(targetPx, performance.now()));
    this.point();
  }

  private hideCursor(): void {
    if (!this.cursor.targetPx) return;
    this.lift();
    this.cursor.hide();
  }

  /** A brush that was put down with the keyboard is lifted, a box that was begun is given up. */
  private lift(): void {
    if (!this.cursor.targetPx) return;
    this.tool.leave();
    this.tool.enter();
  }

  private blurred(): void {
    this.isSpaceHeld = false;
    this.updateCursor();
    this.events.onFocus(false);
  }

  /** Whether points can be worked on at all. */
  private obeys(): boolean {
    return this.events.refuse('positive') === null;
  }

  private isAllowed(): boolean {
    const reason = this.events.refuse(this.active);
    if (reason) this.events.onRefused(reason);
    return reason === null;
  }

  /** The keyboard's cursor where it is shown, else the pointer. */
  private at(): ToolPointer | undefined {
    const { targetPx } = this.cursor;
    return targetPx ? this.pointerAt(targetPx, performance.now()) : this.pointer;
  }

  private point(): void {
    const at = this.at();
    const isOverPoint = at !== undefined && !this.gesture && this.obeys() && this.grip.isOver(at, this.tool.adopts);
    if (isOverPoint !== this.isOverPoint) {
      this.isOverPoint = isOverPoint;
      this.updateCursor();
    }
    if (!at) {
      this.events.onPointed(null);
      return;
    }
    // The same spot of the screen is another one of the image after a zoom.
    const targetPx = this.viewer.viewport.toTarget(at.screenPx);
    const hit = this.gesture ? null : this.viewer.hitPrompt(at.screenPx);
    this.events.onPointed({ screenPx: at.screenPx, targetPx, hit });
  }

  private pointerAt(targetPx: Point, since: number): ToolPointer {
    const screenPx = this.viewer.viewport.toScreen(targetPx);
    return { screenPx, targetPx, opposite: false, since };
  }

  private pointerOf(event: MouseEvent): ToolPointer {
    const { left, top } = this.viewer.surface.getBoundingClientRect();
    const screenPx = { x: event.clientX - left, y: event.clientY - top };
    // While a button is held, `button` tells of the one that changes and `buttons` of those that are down.
    const isRight = event.button === 2 || (event.buttons & 2) !== 0;
    return {
      screenPx,
      targetPx: this.viewer.viewport.toTarget(screenPx),
      opposite: isRight || event.shiftKey,
      since: event.timeStamp,
    };
  }
}
