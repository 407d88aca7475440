/**
 * What a page may send, checked on arrival: a page shows files of strangers, so nothing that comes from it is believed
 * by its type. One schema per call of EditorApi.
 */
import * as z from 'zod';
import { UserError } from '../../core/userError';
import { PAGE_COMMANDS } from '../../protocol/contributions';
import type { EditorApi } from '../../protocol/editorApi';
import type { Handlers } from '../../rpc';

const finite = z.number().refine(Number.isFinite, 'expected a finite number');
const point = z.object({ x: finite, y: finite });
const label = z.string().min(1).max(80);
const classId = z.int().min(1).max(254);
const uint8 = z.instanceof(Uint8Array);
const uint32 = z.instanceof(Uint32Array);

/** More points than a person sets, and than any segmenter has a use for. */
const MOST_POINTS = 1000;

const window = z.object({ low: finite, high: finite }).refine(({ low, high }) => low < high, 'expected low < high');

const box = z
  .object({ left: finite, top: finite, right: finite, bottom: finite })
  .refine(({ left, top, right, bottom }) => left < right && top < bottom, 'expected a box with an inside');

const nothing = z.undefined();

const schemas = {
  ready: nothing,
  paint: z.object({
    label,
    change: z.object({ starts: uint32, lengths: uint32, before: uint8, after: uint8 }),
  }),
  prompt: z.object({
    label,
    prompts: z.object({
      points: z.array(z.object({ point, label: z.union([z.literal(0), z.literal(1)]) })).max(MOST_POINTS),
      box: box.nullable(),
    }),
  }),
  finishPrompts: nothing,
  discardPrompts: nothing,
  selectClass: z.object({ classId }),
  addClass: z.object({ name: z.string().trim().min(1).max(80), colour: z.string().regex(/^#[0-9a-fA-F]{6}$/) }),
  setDisplayWindow: z.object({ window: window.nullable() }),
  run: z.object({ command: z.enum(PAGE_COMMANDS) }),
  setCanvasFocus: z.object({ focused: z.boolean() }),
  log: z.object({ level: z.enum(['info', 'error']), message: z.string().max(10_000) }),
} satisfies Record<keyof EditorApi, z.ZodType>;

/** The same handlers, behind the check of what they are given. A call that does not fit rejects at the page. */
export function checked(handlers: Handlers<EditorApi>): Handlers<EditorApi> {
  const guarded = Object.entries(schemas).map(([name, schema]) => {
    const handler = handlers[name as keyof EditorApi] as (params: unknown, signal: AbortSignal) => unknown;
    return [
      name,
      (params: unknown, signal: AbortSignal) => {
        const parsed = schema.safeParse(params);
        if (parsed.success) return handler(parsed.data, signal);
        const { path, message } = parsed.error.issues[0];
        throw new UserError(`The editor page sent a wrong ${name}() at "${path.join('.')}": ${message}.`);
      },
    ];
  });
  return Object.fromEntries(guarded) as Handlers<EditorApi>;
}
