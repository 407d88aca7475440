/** What a page may send, and what is refused before any handler sees it. */
import { describe, expect, it, vi } from 'vitest';
import { checked } from '../../src/editor/page/messages';
import type { EditorApi } from '../../src/protocol/editorApi';
import type { Handlers } from '../../src/rpc';

const NAMES = [
  'ready',
  'paint',
  'prompt',
  'finishPrompts',
  'discardPrompts',
  'selectClass',
  'addClass',
  'setDisplayWindow',
  'run',
  'setCanvasFocus',
  'log',
] as const;

const { signal } = new AbortController();

function guarded() {
  const handlers = Object.fromEntries(NAMES.map((name) => [name, vi.fn(() => name)]));
  const api = checked(handlers as unknown as Handlers<EditorApi>) as unknown as Record<
    string,
    (params: unknown, signal: AbortSignal) => unknown
  >;
  return { handlers, api };
}

const change = {
  starts: Uint32Array.of(1),
  lengths: Uint32Array.of(2),
  before: Uint8Array.of(0),
  after: Uint8Array.of(1),
};
const points = [{ point: { x: 0.5, y: 3 }, label: 1 }];

describe('calls of a page', () => {
  it.each([
    ['ready', undefined],
    ['paint', { label: 'Brush Stroke', change }],
    ['prompt', { label: 'Add Point', prompts: { points, box: null } }],
    ['prompt', { label: 'Box', prompts: { points: [], box: { left: 0, top: 0, right: 1, bottom: 2 } } }],
    ['selectClass', { classId: 254 }],
    ['addClass', { name: 'nucleus', colour: '#Ff8800' }],
    ['setDisplayWindow', { window: null }],
    ['setDisplayWindow', { window: { low: -5, high: 3.5 } }],
    ['run', { command: 'segmentImage' }],
    ['run', { command: 'manageTrust' }],
    ['setCanvasFocus', { focused: true }],
    ['log', { level: 'info', message: 'click to mask: 31 ms' }],
  ])('%s reaches its handler with what was sent', (name, params) => {
    const { api, handlers } = guarded();
    expect(api[name](params, signal)).toBe(name);
    expect(handlers[name]).toHaveBeenCalledWith(params, signal);
  });

  it.each([
    ['ready', {}],
    ['paint', { label: '', change }],
    ['paint', { label: 'Brush', change: { ...change, starts: [1] } }],
    ['paint', { label: 'Brush', change: { ...change, before: Float32Array.of(1) } }],
    ['prompt', { label: 'Add', prompts: { points: [{ point: { x: Number.NaN, y: 0 }, label: 1 }], box: null } }],
    ['prompt', { label: 'Add', prompts: { points: [{ point: { x: 1, y: 0 }, label: 2 }], box: null } }],
    ['prompt', { label: 'Add', prompts: { points: new Array(1001).fill(points[0]), box: null } }],
    ['prompt', { label: 'Box', prompts: { points: [], box: { left: 2, top: 0, right: 1, bottom: 2 } } }],
    ['selectClass', { classId: 0 }],
    ['selectClass', { classId: 255 }],
    ['addClass', { name: '  ', colour: '#ff8800' }],
    ['addClass', { name: 'x', colour: 'red' }],
    ['setDisplayWindow', { window: { low: 3, high: 3 } }],
    ['run', { command: 'workbench.action.terminal.sendSequence' }],
    ['setCanvasFocus', { focused: 'yes' }],
    ['log', { level: 'debug', message: 'x' }],
  ])('%s with something else is refused by name', (name, params) => {
    const { api, handlers } = guarded();
    expect(() => api[name](params, signal)).toThrow(new RegExp(`sent a wrong ${name}\\(\\)`));
    expect(handlers[name]).not.toHaveBeenCalled();
  });

  it('that EditorApi does not have do not exist', () => {
    expect(Object.keys(guarded().api).sort()).toEqual([...NAMES].sort());
  });
});
