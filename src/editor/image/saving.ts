/** From an open image to its mask on disk and to the journal that says whose work it is. */
import { UserError } from '../../core/userError';
import { type ClassWork, PersonCommitter, type PersonOptions } from '../../dataset/commits/personCommit';
import { Owner } from '../../dispose';
import type { OpenImage } from './openImage';

/** The mask on disk is another than the one that the document stands on; `found` is its hash, null if it is gone. */
interface SaveConflict {
  readonly found: string | null;
}

/** What becomes of a mask that has changed on disk since it was opened: it is written over, or shown. */
export type ConflictChoice = 'overwrite' | 'reload';

/** Writes what persons do, one journal for each window. */
export class PersonMasks extends Owner {
  private readonly committer: PersonCommitter;

  constructor(options: PersonOptions) {
    super();
    this.committer = new PersonCommitter(options);
    this.register(this.committer);
  }

  /**
   * Puts the labels of an image on disk, or what the person prefers where another mask is there by now.
   *
   * @param ask what is to become of a mask that has changed since it was opened; rejects where neither is wanted
   */
  async save(image: OpenImage, ask: (mask: string) => Promise<ConflictChoice>): Promise<void> {
    let reload = false;
    await image.save(async () => {
      const saved = await this.write(image, image.maskHash);
      if (!isConflict(saved)) return saved;
      reload = (await ask(image.place.mask)) === 'reload';
      if (reload) return image.maskHash;
      const replaced = await this.write(image, saved.found);
      if (!isConflict(replaced)) return replaced;
      throw new UserError(`${image.place.mask} is being changed by another program all the time: nothing was written.`);
    });
    if (reload) await image.revert();
  }

  /** Throws UserError where the mask has meanwhile been replaced, so that nothing unseen is accepted. */
  async accept(image: OpenImage): Promise<void> {
    const { place, selectedClass, maskHash } = image;
    const accepted = await this.committer.accept(place.root.root, place.image, selectedClass, maskHash);
    if (accepted.outcome === 'conflict') {
      throw new UserError(`${accepted.path} has just been replaced: look at it again before you accept it.`);
    }
  }

  /** Throws UserError where `target` is an image, or holds anything but a mask. */
  async saveCopy({ place, document }: OpenImage, target: string): Promise<void> {
    const labels = { size: document.labels.size, data: document.labels.data.slice() };
    await this.committer.saveCopy({ root: place.root.root, image: place.image, labels, target });
  }

  /**
   * @param over hash of the mask that may be replaced, null for none
   * @returns the hash of the mask file, null where none was needed
   */
  private async write(image: OpenImage, over: string | null): Promise<string | null | SaveConflict> {
    const { place, document, classes, file } = image;
    await place.root.ensureClasses(classes);
    const work = [...document.state.origins].map(([classId, origin]): ClassWork => ({ classId, ...origin }));
    // A copy: a person may go on painting while the file is written.
    const labels = { size: document.labels.size, data: document.labels.data.slice() };
    const saved = await this.committer.save(place.root.root, {
      image: place.image,
      labels,
      path: place.mask,
      opened: over,
      file,
      work,
    });
    return saved.outcome === 'conflict' ? { found: saved.found } : saved.mask;
  }
}

const isConflict = (saved: string | null | SaveConflict): saved is SaveConflict =>
  typeof saved === 'object' && saved !== null;
