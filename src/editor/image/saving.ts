/** From an open image to its mask on disk and to the journal that says whose work it is. */
import { UserError } from '../../core/userError';
import { type ClassWork, PersonCommitter, type PersonOptions } from '../../dataset/commits/personCommit';
import { Owner } from '../../dispose';
import type { OpenImage } from './openImage';

/** The mask on disk is another than the one that the document stands on; `found` is its hash, null if it is gone. */
export interface SaveConflict {
  readonly found: string | null;
}

/** Writes what persons do, one journal for each window. */
export class PersonMasks extends Owner {
  private readonly committer: PersonCommitter;

  constructor(options: PersonOptions) {
    super();
    this.committer = new PersonCommitter(options);
    this.register(this.committer);
  }

  /**
   * Puts the labels of an image on disk; to be called within its `save`.
   *
   * @param over hash of the mask that may be replaced although it is not the one that was opened
   * @returns the hash of the mask file, null where none was needed
   */
  async save(image: OpenImage, over: SaveConflict = { found: image.maskHash }): Promise<string | null | SaveConflict> {
    const { place, document, classes, file } = image;
    await place.root.ensureClasses(classes);
    const work = [...document.state.origins].map(([classId, origin]): ClassWork => ({ classId, ...origin }));
    // A copy: a person may go on painting while the file is written.
    const labels = { size: document.labels.size, data: document.labels.data.slice() };
    const saved = await this.committer.save(place.root.root, {
      image: place.image,
      labels,
      path: place.mask,
      opened: over.found,
      file,
      work,
    });
    return saved.outcome === 'conflict' ? { found: saved.found } : saved.mask;
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
}
