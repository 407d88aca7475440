/** Tools with a screen that only remembers. */
import { describe, expect, it } from 'vitest';
import type { Box, Point } from '../../src/core/geometry';
import { blankLabels, type LabelMap } from '../../src/core/pixels/labelMap';
import type { AutomaticResult, PromptSession } from '../../src/protocol/editorApi';
import type { Draft } from '../../webview/canvas/draft';
import type { PromptHit } from '../../webview/canvas/promptMarkers';
import { PageModel } from '../../webview/document/pageModel';
import { PromptDesk } from '../../webview/document/promptDesk';
import { type PromptQuestion, PromptQueue } from '../../webview/document/promptQueue';
import { BoxTool } from '../../webview/tools/boxTool';
import { BrushTool } from '../../webview/tools/brushTool';
import { FillTool } from '../../webview/tools/fillTool';
import { PointGrip } from '../../webview/tools/pointGrip';
import { PointTool } from '../../webview/tools/pointTool';
import { PolygonTool } from '../../webview/tools/polygonTool';
import { clampToImage, PanTool, type Tool, type ToolContext, type ToolPointer } from '../../webview/tools/tool';
import { drawLabels, rowsOf } from '../seeded';
import { automaticOf, candidateAt, isWaiting, sessionOf, stateOf } from './documents';

interface Setup {
  readonly labels?: LabelMap;
  readonly scale?: number;
  readonly session?: PromptSession;
  readonly automatic?: AutomaticResult;
}

function setUp({ labels = blankLabels({ width: 8, height: 6 }), scale = 10, session, automatic }: Setup = {}) {
  const state = { ...stateOf(labels), session: session ?? null, automatic: automatic ?? null };
  const paints: string[] = [];
  const asked: PromptQuestion[] = [];
  const remarks: string[] = [];
  const boxes: Box[] = [];
  const kept: (readonly Point[])[] = [];
  const model = new PageModel(
    state,
    {
      paint: async ({ label }) => {
        paints.push(label);
      },
      ready: async () => state,
    },
    {
      onPixels: (box) => boxes.push(box),
      onFacts: () => {},
      onReset: () => {},
      onError: (error) => remarks.push(String(error)),
    },
  );
  const queue = new PromptQueue(
    (question) => {
      asked.push(question);
      return new Promise(() => {});
    },
    { onChange: () => {}, onAnswer: () => {}, onError: () => {} },
  );
  const desk = new PromptDesk(model, queue, () => {});
  const screen = {
    draft: null as Draft | null,
    viewport: { scale },
    showDraft(draft: Draft | null) {
      this.draft = draft;
    },
    labelsChanged: (box: Box) => boxes.push(box),
    /** Exactly on a session's point, else on a candidate. */
    hitPrompt: ({ x, y }: Point): PromptHit | null => {
      const isAt = ({ point }: { point: Point }) => Math.hypot(point.x * scale - x, point.y * scale - y) < 5;
      const index = (desk.shown?.points ?? []).findIndex(isAt);
      if (index >= 0) return { kind: 'session', index };
      const candidate = (model.automatic?.candidates ?? []).findIndex(isAt);
      return candidate >= 0 ? { kind: 'candidate', index: candidate } : null;
    },
  };
  const context: ToolContext & { brush: { diameter: number; overOthers: boolean; erasesAll: boolean } } = {
    model,
    desk,
    screen,
    brush: { diameter: 1, overOthers: false, erasesAll: false },
    keepPolygon: (points) => kept.push(points),
    say: (text) => remarks.push(text),
  };
  const at = (x: number, y: number, more: Partial<ToolPointer> = {}): ToolPointer => ({
    screenPx: { x: x * scale, y: y * scale },
    targetPx: { x, y },
    opposite: false,
    since: 1,
    ...more,
  });
  const last = () => asked.at(-1);
  return { model, desk, screen, context, paints, asked, last, remarks, boxes, kept, at };
}

/** A tool as the canvas uses it: points first. */
function inHand(tool: Tool, context: ToolContext) {
  const grip = new PointGrip(context);
  let isForPoint = false;
  return {
    press: (pointer: ToolPointer) => {
      isForPoint = grip.press(pointer, tool.adopts);
      if (!isForPoint) tool.press(pointer);
    },
    drag: (pointer: ToolPointer) => (isForPoint ? grip : tool).drag(pointer),
    release: (pointer: ToolPointer) => (isForPoint ? grip : tool).release(pointer),
    doublePress: (pointer: ToolPointer) => grip.doublePress(pointer),
    act: (pointer: ToolPointer) => void (grip.act(pointer, tool.adopts) || tool.act(pointer)),
    cancel: () => grip.cancel() || tool.cancel(),
    removeSelected: () => context.desk.removeSelected(1),
    removeLast: () => tool.removeLast(),
  };
}

describe('the brush', () => {
  it('draws from press to release and tells what to redraw', () => {
    const { context, at, model, paints, boxes, screen } = setUp();
    const brush = new BrushTool(context, false);
    brush.press(at(1.5, 1.5));
    brush.drag(at(4.5, 1.5));
    expect(isWaiting(model)).toBe(true);
    expect(screen.draft).toEqual({ kind: 'cursor', centre: { x: 4.5, y: 1.5 }, radius: 0.5, erases: false });
    brush.release();
    expect(rowsOf(model.labels)[1]).toBe('.1111...');
    expect(paints).toEqual(['Brush']);
    expect(boxes.at(-1)).toEqual({ left: 1, top: 1, right: 5, bottom: 2 });
  });

  it('erases with the other button, and the eraser paints with it', () => {
    const { context, at, model, paints } = setUp({ labels: drawLabels(['1212']) });
    const press = (tool: BrushTool, x: number, opposite: boolean) => {
      tool.press(at(x, 0.5, { opposite }));
      tool.release();
    };
    press(new BrushTool(context, false), 0.5, true);
    press(new BrushTool(context, true), 1.5, false);
    press(new BrushTool(context, true), 2.5, false);
    expect(rowsOf(model.labels)).toEqual(['.2.2']);
    press(new BrushTool(context, true), 2.5, true);
    expect(rowsOf(model.labels)).toEqual(['.212']);
    expect(paints).toEqual(['Erase', 'Erase', 'Brush']);
  });

  it('writes over other classes only where that is wanted', () => {
    const { context, at, model } = setUp({ labels: drawLabels(['2?.1']) });
    const stroke = (isEraser: boolean) => {
      const tool = new BrushTool(context, isEraser);
      tool.press(at(0.5, 0.5));
      tool.drag(at(3.5, 0.5));
      tool.release();
    };
    stroke(false);
    expect(rowsOf(model.labels)).toEqual(['2?11']);
    context.brush.overOthers = true;
    stroke(false);
    expect(rowsOf(model.labels)).toEqual(['1111']);
    context.brush.erasesAll = true;
    model.labels.data.set([2, 255, 1, 0]);
    stroke(true);
    expect(rowsOf(model.labels)).toEqual(['....']);
  });

  it('given up leaves nothing', () => {
    const { context, at, model, paints } = setUp();
    const brush = new BrushTool(context, false);
    expect(brush.cancel()).toBe(false);
    brush.press(at(1.5, 1.5));
    expect(brush.cancel()).toBe(true);
    brush.release();
    expect(model.labels.data.includes(1)).toBe(false);
    expect(isWaiting(model)).toBe(false);
    expect(paints).toEqual([]);
  });

  it('is put down and lifted by Enter, and lifted by another tool', () => {
    const { context, at, model, paints } = setUp();
    const brush = new BrushTool(context, false);
    brush.act(at(1.5, 0.5));
    brush.hover(at(3.5, 0.5));
    brush.act(at(3.5, 0.5));
    brush.hover(at(6.5, 0.5));
    expect(rowsOf(model.labels)[0]).toBe('.111....');
    brush.act(at(6.5, 0.5));
    brush.leave();
    expect(rowsOf(model.labels)[0]).toBe('.111..1.');
    expect(paints).toEqual(['Brush', 'Brush']);
  });

  it('shows its new size under a pointer that rests', () => {
    const { context, at, screen } = setUp();
    const brush = new BrushTool(context, true);
    brush.hover(at(2, 2));
    context.brush.diameter = 6;
    brush.refresh();
    expect(screen.draft).toEqual({ kind: 'cursor', centre: { x: 2, y: 2 }, radius: 3, erases: true });
    brush.hover(null);
    brush.refresh();
    expect(screen.draft).toBeNull();
  });
});

describe('fill', () => {
  const rows = ['1111.', '1..1.', '1111.', '22...'];

  it('fills what is enclosed, and takes a component away with the other button', () => {
    const { context, at, model, paints } = setUp({ labels: drawLabels(rows) });
    const fill = new FillTool(context);
    fill.press(at(1.5, 1.5));
    expect(rowsOf(model.labels)[1]).toBe('1111.');
    fill.press(at(0.5, 3.5));
    expect(rowsOf(model.labels)[3]).toBe('11...');
    fill.press(at(0.5, 0.5, { opposite: true }));
    expect(model.labels.data.every((value) => value === 0)).toBe(true);
    expect(paints).toEqual(['Fill', 'Fill', 'Remove Region']);
  });

  it('says why it does nothing', () => {
    const { context, at, paints, remarks } = setUp({ labels: drawLabels(rows) });
    const fill = new FillTool(context);
    fill.press(at(0.5, 0.5));
    fill.press(at(4.5, 0.5, { opposite: true }));
    fill.press(at(50, 50));
    expect(paints).toEqual([]);
    expect(remarks).toEqual(['This region is Bone already.', 'There is nothing to take away here.']);
  });
});

describe('a polygon', () => {
  const corners = [
    [1, 1],
    [7, 1],
    [7, 5],
    [1, 5],
  ] as const;

  it.each(['Enter or F', 'a double press', 'its first corner'])('is closed by %s', (how) => {
    const { context, at, model, paints, kept, screen } = setUp();
    const polygon = new PolygonTool(context);
    for (const [x, y] of corners) polygon.press(at(x, y));
    if (how === 'a double press') {
      // The second press of a double click adds no corner.
      polygon.press(at(1.1, 5.1));
      polygon.doublePress(at(1.1, 5.1));
    } else if (how === 'its first corner') {
      polygon.hover(at(1.2, 1.1));
      expect(screen.draft).toMatchObject({ kind: 'polygon', closing: true });
      polygon.press(at(1.2, 1.1));
    } else {
      expect(polygon.finish(false)).toBe(true);
    }
    expect(rowsOf(model.labels)).toEqual(['........', '.111111.', '.111111.', '.111111.', '.111111.', '........']);
    expect(paints).toEqual(['Polygon']);
    expect(kept.at(-1)).toEqual([]);
    expect(screen.draft).toBeNull();
  });

  it('erases when it is closed the other way', () => {
    const { context, at, model, paints } = setUp({ labels: drawLabels(['1111', '1121']) });
    const polygon = new PolygonTool(context);
    for (const [x, y] of [
      [0, 0],
      [4, 0],
      [4, 2],
      [0, 2],
    ]) {
      polygon.press(at(x, y));
    }
    polygon.finish(true);
    expect(rowsOf(model.labels)).toEqual(['....', '..2.']);
    expect(paints).toEqual(['Erase Polygon']);
  });

  it('loses its last corner to Backspace and all to Esc', () => {
    const { context, at, kept, paints } = setUp();
    const polygon = new PolygonTool(context);
    expect(polygon.removeLast()).toBe(false);
    expect(polygon.cancel()).toBe(false);
    for (const [x, y] of corners) polygon.press(at(x, y));
    expect(polygon.removeLast()).toBe(true);
    expect(kept.at(-1)?.length).toBe(3);
    expect(polygon.cancel()).toBe(true);
    expect(kept.at(-1)).toEqual([]);
    expect(polygon.finish(false)).toBe(false);
    expect(paints).toEqual([]);
  });

  it('of two corners is not closed, and says so', () => {
    const { context, at, remarks, paints } = setUp();
    const polygon = new PolygonTool(context);
    polygon.press(at(1, 1));
    polygon.press(at(4, 1));
    expect(polygon.finish(false)).toBe(true);
    expect(remarks).toEqual(['A polygon needs three corners.']);
    expect(paints).toEqual([]);
  });

  it('outlasts another tool and a reset, and is taken up from an earlier page', () => {
    const { context, screen, at } = setUp();
    const polygon = new PolygonTool(context);
    polygon.resume([
      { x: 1, y: 1 },
      { x: 4, y: 1 },
    ]);
    polygon.enter();
    expect(screen.draft).toMatchObject({ points: [{}, {}] });
    polygon.leave();
    expect(screen.draft).toBeNull();
    polygon.abandon();
    polygon.enter();
    polygon.hover(at(4, 4));
    expect(screen.draft).toMatchObject({ points: [{}, {}, { x: 4, y: 4 }] });
  });

  it('has its corners on the image', () => {
    const { context, at, kept } = setUp();
    new PolygonTool(context).press(at(-5, 100));
    expect(kept.at(-1)).toEqual([{ x: 0, y: 6 }]);
  });
});

describe('a point', () => {
  it('has the sign of its tool, or the other one', () => {
    const { context, at, last } = setUp();
    new PointTool(context, 1).press(at(2.25, 3));
    expect(last()).toEqual({
      label: 'Add Positive Point',
      prompts: { points: [{ point: { x: 2.25, y: 3 }, label: 1 }], box: null },
    });
    for (const [label, opposite, expected] of [
      [0, false, 0],
      [0, true, 1],
      [1, true, 0],
    ] as const) {
      const { context, at, last } = setUp();
      new PointTool(context, label).press(at(2, 3, { opposite }));
      expect(last()?.prompts.points[0].label).toBe(expected);
    }
  });

  it('outside the image is refused, and dragged there stays on its edge', () => {
    const labels = blankLabels({ width: 8, height: 6 });
    const session = sessionOf(labels, { points: [{ point: { x: 4, y: 3 }, label: 1 }] });
    const { context, at, asked, last } = setUp({ labels, session });
    const tool = inHand(new PointTool(context, 1), context);
    tool.press(at(8, 3));
    tool.press(at(-0.1, 3));
    expect(asked).toEqual([]);
    tool.press(at(4, 3));
    tool.drag(at(20, 3));
    tool.release(at(20, 3));
    expect(last()).toEqual({
      label: 'Move Point',
      prompts: { points: [{ point: { x: 7.5, y: 3 }, label: 1 }], box: null },
    });
  });

  it('that is only touched asks nothing; Delete and the other button take it away', () => {
    const labels = blankLabels({ width: 8, height: 6 });
    const points = [
      { point: { x: 4, y: 3 }, label: 1 as const },
      { point: { x: 1, y: 1 }, label: 0 as const },
    ];
    const { context, at, asked, last } = setUp({ labels, session: sessionOf(labels, { points }) });
    const tool = inHand(new PointTool(context, 1), context);
    tool.press(at(4, 3));
    tool.drag(at(4.1, 3));
    tool.release(at(4.1, 3));
    expect(asked).toEqual([]);
    expect(tool.removeSelected()).toBe(true);
    expect(last()?.prompts.points).toEqual([points[1]]);
    tool.press(at(1, 1, { opposite: true }));
    expect(context.desk.prompts.points).toEqual([]);
    expect(tool.removeSelected()).toBe(false);
  });

  it('that a double press meets is flipped, but not the one that it has just put there', () => {
    const labels = blankLabels({ width: 8, height: 6 });
    const session = sessionOf(labels, { points: [{ point: { x: 4, y: 3 }, label: 1 }] });
    const { context, at, desk } = setUp({ labels, session });
    const tool = inHand(new PointTool(context, 1), context);
    const double = (x: number, y: number) => {
      for (let k = 0; k < 2; k++) {
        tool.press(at(x, y));
        tool.release(at(x, y));
      }
      tool.doublePress(at(x, y));
    };
    double(4, 3);
    expect(desk.prompts.points.map(({ label }) => label)).toEqual([0]);
    double(6, 1);
    expect(desk.prompts.points.map(({ label }) => label)).toEqual([0, 1]);
  });

  it('of the automatic ones is adopted with the others, moved at once where it is dragged', () => {
    const automatic = automaticOf([candidateAt(2, 2), candidateAt(5, 4, { label: 0 }), candidateAt(6, 1)]);
    const first = setUp({ automatic });
    const tool = inHand(new PointTool(first.context, 1), first.context);
    tool.press(first.at(5, 4));
    tool.release(first.at(5, 4));
    expect(first.last()?.label).toBe('Adopt Automatic Points');
    expect(first.last()?.prompts.points.length).toBe(3);
    const second = setUp({ automatic });
    const other = inHand(new PointTool(second.context, 1), second.context);
    other.press(second.at(5, 4));
    other.drag(second.at(3, 3));
    expect(second.desk.shown?.points[1].point).toEqual({ x: 3, y: 3 });
    expect(second.asked).toEqual([]);
    other.release(second.at(3, 3));
    expect(second.last()).toMatchObject({ label: 'Move Point' });
    expect(second.last()?.prompts.points[1]).toEqual({ point: { x: 3, y: 3 }, label: 0 });
  });

  it('that is being dragged goes back with Esc', () => {
    const labels = blankLabels({ width: 8, height: 6 });
    const session = sessionOf(labels, { points: [{ point: { x: 4, y: 3 }, label: 1 }] });
    const { context, at, asked, desk } = setUp({ labels, session });
    const tool = inHand(new PointTool(context, 1), context);
    expect(tool.cancel()).toBe(false);
    tool.press(at(4, 3));
    tool.drag(at(6, 3));
    expect(tool.cancel()).toBe(true);
    tool.release(at(6, 3));
    expect(desk.shown).toBe(session);
    expect(asked).toEqual([]);
  });

  it('is put, or flipped where there is one, with Enter; Backspace takes the last', () => {
    const { context, at, desk } = setUp();
    const tool = inHand(new PointTool(context, 1), context);
    tool.act(at(2, 2));
    tool.act(at(5, 2));
    tool.act(at(2, 2));
    expect(desk.prompts.points.map(({ label }) => label)).toEqual([0, 1]);
    tool.act(at(8, 2, { opposite: true }));
    tool.act(at(5.2, 2, { opposite: true }));
    expect(desk.prompts.points.map(({ label }) => label)).toEqual([0]);
    tool.act(at(5, 2));
    expect(tool.removeLast()).toBe(true);
    expect(desk.prompts.points.map(({ point }) => point.x)).toEqual([2]);
  });

  it('that is worked on obeys in every tool, an automatic one only with those that set points', () => {
    const labels = blankLabels({ width: 8, height: 6 });
    const session = sessionOf(labels, { points: [{ point: { x: 4, y: 3 }, label: 1 }] });
    const automatic = automaticOf([candidateAt(2, 2)]);
    const tools = (context: ToolContext) => [new PanTool(context), new BrushTool(context, false), new BoxTool(context)];
    for (const index of [0, 1, 2]) {
      const { context, at, last, paints } = setUp({ labels, session });
      const tool = inHand(tools(context)[index], context);
      tool.press(at(4, 3));
      tool.drag(at(6, 3));
      tool.release(at(6, 3));
      expect(last()).toMatchObject({ label: 'Move Point', prompts: { points: [{ point: { x: 6, y: 3 } }] } });
      tool.press(at(6, 3, { opposite: true }));
      expect(context.desk.prompts.points).toEqual([]);
      expect(paints).toEqual([]);
      const waiting = setUp({ labels, automatic });
      const grip = new PointGrip(waiting.context);
      expect(grip.press(waiting.at(2, 2), tools(waiting.context)[index].adopts)).toBe(false);
      expect(waiting.asked).toEqual([]);
    }
  });
});

describe('a box', () => {
  it('is drawn from any corner and cut at the image', () => {
    const { context, at, screen, last } = setUp();
    const tool = new BoxTool(context);
    tool.press(at(7, 5));
    tool.drag(at(3, 2));
    expect(screen.draft).toEqual({ kind: 'box', box: { left: 3, top: 2, right: 7, bottom: 5 } });
    tool.release(at(-2, 2));
    expect(last()).toEqual({
      label: 'Draw Box',
      prompts: { points: [], box: { left: 0, top: 2, right: 7, bottom: 5 } },
    });
    expect(screen.draft).toBeNull();
  });

  it('without extent is a slip of the hand', () => {
    const { context, at, asked } = setUp();
    const tool = new BoxTool(context);
    tool.press(at(3, 3));
    tool.release(at(3.2, 5));
    tool.press(at(-9, -9));
    tool.release(at(-1, -1));
    expect(asked).toEqual([]);
  });

  it('takes two Enters, and goes with Esc, Delete or the other button', () => {
    const { context, at, desk } = setUp();
    const tool = new BoxTool(context);
    tool.act(at(1, 1));
    tool.hover(at(4, 4));
    tool.act(at(5, 5));
    expect(desk.prompts.box).toEqual({ left: 1, top: 1, right: 5, bottom: 5 });
    tool.act(at(2, 2));
    expect(tool.cancel()).toBe(true);
    expect(desk.prompts.box).not.toBeNull();
    expect(tool.removeSelected()).toBe(true);
    expect(desk.prompts.box).toBeNull();
    expect(tool.removeSelected()).toBe(false);
    tool.press(at(1, 1));
    tool.release(at(5, 5));
    tool.press(at(3, 3, { opposite: true }));
    expect(desk.prompts.box).toBeNull();
  });
});

it('clamps to the image, and leaves what lies on it alone', () => {
  const size = { width: 8, height: 6 };
  expect(clampToImage({ x: 0.1, y: 5.9 }, size)).toEqual({ x: 0.1, y: 5.9 });
  expect(clampToImage({ x: -3, y: 9 }, size)).toEqual({ x: 0.5, y: 5.5 });
});
