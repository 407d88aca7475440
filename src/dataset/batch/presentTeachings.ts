/** What a run would learn from if it began now. */
import type { ProjectReference } from '../project/project';
import { checkReference } from '../project/reference';
import type { Teaching } from '../project/reviewedMasks';
import { type LearningParts, learntFrom } from './runRequest';

/**
 * What reviewed masks teach of each class now, by class id. Throws UserError for a reference that cannot be used.
 *
 * @param references the first of each class
 */
export async function presentTeachings(
  parts: LearningParts,
  references: readonly ProjectReference[],
): Promise<ReadonlyMap<number, Teaching>> {
  const { root, project, engine } = parts;
  const teachings = new Map<number, Teaching>();
  for (const reference of references) {
    const checked = await checkReference(root, reference, engine, project.classes);
    teachings.set(reference.class, (await learntFrom(parts, { reference, checked })).teaching);
  }
  return teachings;
}
