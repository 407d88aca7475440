/** Which tools and commands can work now, and if not, why: one sentence each, fit for a tooltip. */
import type { CanvasTool, PageCommand } from '../../src/protocol/contributions';
import type { DocumentFacts } from '../../src/protocol/editorApi';

/** What that depends on. */
export interface Situation {
  readonly facts: DocumentFacts;
  /** Pixels of the active class. */
  readonly classPixels: number;
  /** Prompts are being worked on. */
  readonly hasPrompts: boolean;
  /** A tool is drawing something that is not finished. */
  readonly hasDraft: boolean;
}

/** Null: the tool can be used. */
export function whyNotTool(tool: CanvasTool, facts: DocumentFacts): string | null {
  if (tool === 'pan') return null;
  if (facts.readOnly !== null) return readOnly(facts.readOnly);
  if (!nameOfClass(facts)) return 'Add a class first.';
  const { capabilities } = facts;
  if (!capabilities) return null;
  if ((tool === 'positive' || tool === 'negative') && !capabilities.points) return 'This segmenter takes no points.';
  if (tool === 'negative' && !capabilities.negatives) return 'This segmenter takes no negative points.';
  if (tool === 'box' && !capabilities.box) return 'This segmenter takes no boxes.';
  return null;
}

/** Null: the command can be run. */
export function whyNotCommand(
  command: PageCommand | 'finish' | 'discard' | 'clearClass' | 'addClass',
  { facts, classPixels, hasPrompts, hasDraft }: Situation,
): string | null {
  const name = nameOfClass(facts) ?? 'the class';
  switch (command) {
    case 'nextImage':
    case 'previousImage':
    case 'showLog':
    case 'manageTrust':
      return null;
    case 'finish':
    case 'discard':
      return hasPrompts || hasDraft ? null : 'There are no prompts to work on.';
    default:
  }
  if (facts.readOnly !== null) return readOnly(facts.readOnly);
  switch (command) {
    case 'segmentImage':
      return facts.reference === null
        ? `No reference for ${name} yet: open an image, paint the object, then Use as Reference.`
        : null;
    case 'acceptMask':
      return facts.status === 'accepted' && !facts.dirty ? 'This mask is accepted already.' : null;
    case 'useAsReference':
      if (classPixels === 0) return `Paint the object first: ${name} has no pixels in this image.`;
      return facts.isReference && !facts.dirty ? `This image is a reference of ${name} already.` : null;
    case 'clearClass':
      return classPixels === 0 ? `${name} has no pixels in this image.` : null;
    case 'save':
      return facts.dirty ? null : 'Everything is saved.';
    default:
      return null;
  }
}

/** What to do next where the image is still empty, or null. */
export function hintFor({ facts, classPixels, hasPrompts }: Situation): string | null {
  if (facts.readOnly !== null || classPixels > 0 || hasPrompts) return null;
  const name = nameOfClass(facts);
  if (!name) return 'No class yet: add one in the toolbar, then paint the object.';
  if (facts.status === 'absent') return null;
  if (facts.reference === null) return `No reference for ${name} yet: paint the object, then Use as Reference.`;
  return `Segment Image labels this image from ${facts.reference}, or paint ${name} by hand.`;
}

const readOnly = (reason: string): string => `Read-only: ${reason}`;

const nameOfClass = ({ classes, classId }: DocumentFacts): string | undefined =>
  classes.find(({ id }) => id === classId)?.name;
