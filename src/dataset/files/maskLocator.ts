/** Finds the mask of an image: where the journal says that it lies, else by names. */
import { stat } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { UserError } from '../../core/userError';
import { hashIfPresent } from '../../disk/atomicFile';
import { byCodeUnits, entriesIn } from '../../disk/listing';
import { isPlain, nameForm, pathKey, spelledPath } from '../../disk/nameForms';
import { hasImageSuffix, mayBeImage, stem } from './imageNames';
import { IMAGES_FOLDER, leaves, usualPlaces, withoutImagesFolder } from './maskFolder';

/** What the journal knows of where masks lie; places are posix paths relative to the mask folder. */
interface MaskPlaces {
  /** Where the mask of an image lies, as a line has told; undefined if none has. */
  placeOf(image: string): string | undefined;
  /** Images whose mask lies at a place, or may, where their lines are of a version that told no place. */
  imagesAt(place: string): readonly string[];
  /** Whether a mask of this hash was given to an image. */
  knowsMask(image: string, maskHash: string): boolean;
  /** Whether any mask was given to an image. */
  knows(image: string): boolean;
  /** From now on takes images whose names differ only in their spelling (see `nameForm`) for others. */
  tellApart(images: readonly string[]): void;
}

/**
 * Finds masks. A mask stays with the image that it was given to, whatever images of the same name come or go: the
 * journal tells whose it is, and where it cannot, names do. It remembers folder listings, so make a new one for each
 * operation.
 */
export class MaskLocator {
  /** For each folder, relative to the root: paths of its images by their stem without case and spelling. */
  private readonly images = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>();
  /** For each folder, relative to the mask folder: names by their form. */
  private readonly masks = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>();

  /** @param folder of the masks, absolute, see `resolveMaskFolder` */
  constructor(
    private readonly root: string,
    readonly folder: string,
    private readonly journal: MaskPlaces,
  ) {}

  /**
   * Absolute path of the mask of `image` (posix path relative to the root). Images that share a stem keep their suffix:
   * `b.jpg.png`. Whether names are shared is decided by names alone, ignoring case, since a disk may ignore it as well.
   *
   * @throws UserError where a mask may be that of several images, or of one that is gone
   */
  async locate(image: string): Promise<string> {
    const others = await this.sharing(image);
    const isSpelling = (other: string) => nameForm(other) === nameForm(image);
    const exactly = others.some(isSpelling);
    if (exactly) this.journal.tellApart([image, ...others.filter(isSpelling)]);
    return this.find({ image, others, exactly });
  }

  /** Where a mask is put that no name decides about: for messages about an image whose mask cannot be located. */
  usualPath(image: string): string {
    return this.pathOf(usualPlaces(image)[0]);
  }

  /** Whether an absolute path is one in the mask folder. */
  holds(path: string): boolean {
    return !leaves(relative(this.folder, path));
  }

  /** What the journal calls the place of a mask, given its absolute path. */
  placeAt(path: string): string {
    return relative(this.folder, path).split(sep).join(posix.sep);
  }

  private async find(about: Sharing): Promise<string> {
    const { image, others, exactly } = about;
    const told = this.journal.placeOf(image);
    if (told !== undefined && !(await this.isRivals(told, about))) return this.spelled(told, exactly);
    const [short, ...own] = this.placesOf(about);
    const [free] = own.filter((place) => this.rivals(place, others).length === 0);
    const [hasShort, hasOwn] = [await this.holdsMask(short, exactly), await this.holdsMask(free, exactly)];
    if (hasOwn) return this.spelled(hasShort && (await this.isKnownAs(short, free, about)) ? short : free, exactly);
    if (!hasShort) return this.spelled(others.length > 0 ? free : short, exactly);
    return this.spelled((await this.isMaskOf(short, about)) ? short : free, exactly);
  }

  /** The usual place, then those that tell the image apart, without end. */
  private placesOf({ image, others }: Sharing): readonly string[] {
    const [short, long, full] = usualPlaces(image);
    // Both b.jpg and images/b.jpg: only the whole path tells them apart.
    const isShared = others.some(
      (other) => posix.dirname(other) !== posix.dirname(image) && pathKey(usualPlaces(other)[1]) === pathKey(long),
    );
    const own = isShared ? full : long;
    return [short, own, ...others.map((_, i) => `${image}.${i + 2}.png`)];
  }

  /**
   * Whether a place that the journal gives to several images is rather another one's. Throws UserError where nothing
   * tells.
   */
  private async isRivals(place: string, { image, others, exactly }: Sharing): Promise<boolean> {
    const rivals = this.rivals(place, others);
    if (rivals.length === 0) return false;
    const path = await this.spelled(place, exactly);
    const hash = await hashIfPresent(path);
    if (hash === null) return rivals.some((one) => one < image);
    const isOwn = this.journal.knowsMask(image, hash);
    if (isOwn !== rivals.some((one) => this.journal.knowsMask(one, hash))) return !isOwn;
    throw this.mayBeOf(path, { image, others: rivals, exactly });
  }

  /** Of images that are there, those that the journal gives a place to. */
  private rivals(place: string, others: readonly string[]): readonly string[] {
    return others.filter((other) => {
      const told = this.journal.placeOf(other);
      return told !== undefined && pathKey(told) === pathKey(place);
    });
  }

  /**
   * Whether lines of an earlier version, which tell hashes and no places, mean the mask at `short`, not that at `own`.
   */
  private async isKnownAs(short: string, own: string, { image, exactly }: Sharing): Promise<boolean> {
    if (!this.journal.knows(image)) return false;
    const hashes = [own, short].map(async (place) => hashIfPresent(await this.spelled(place, exactly)));
    const [isOwn, isShort] = (await Promise.all(hashes)).map(
      (hash) => hash !== null && this.journal.knowsMask(image, hash),
    );
    return isShort && !isOwn;
  }

  /** Whether the mask at its usual place is an image's, of which the journal has not told where its mask lies. */
  private async isMaskOf(short: string, about: Sharing): Promise<boolean> {
    const { image, others, exactly } = about;
    const { journal } = this;
    if (others.length === 0 && journal.knows(image)) return true;
    if (this.rivals(short, others).length > 0) return false;
    const strangers = journal.imagesAt(short).filter((one) => one !== image && !others.includes(one));
    // The same image under another spelling of its name.
    if (strangers.some((one) => pathKey(one) === pathKey(image))) return true;
    if (others.length === 0 && strangers.length === 0) return true;
    const path = await this.spelled(short, exactly);
    const hash = await hashIfPresent(path);
    const isKnown = (one: string) => hash !== null && journal.knowsMask(one, hash);
    if (isKnown(image)) return true;
    if ([...others, ...strangers].some(isKnown)) return false;
    if (others.length > 0) {
      // Changed by a person since; a line that told no place was about the usual one.
      const known = [image, ...others].filter((one) => journal.knows(one));
      if (known.length === 1 && (await this.hasNoOther(known[0]))) return known[0] === image;
      throw this.mayBeOf(path, about);
    }
    const owner = strangers.find((one) => journal.placeOf(one) !== undefined);
    if (owner === undefined) return true;
    if ((await this.imagesBeside(owner)).includes(owner)) return false;
    throw new UserError(
      `${path} was the mask of ${owner}, which is gone, and has changed since: rename it to ${posix.basename(image)}.png if it is the mask of ${image}, else move it away.`,
    );
  }

  /** Whether an image has no mask at the place that tells it apart, and was told none. */
  private async hasNoOther(image: string): Promise<boolean> {
    const others = await this.sharing(image);
    const [, own] = this.placesOf({ image, others, exactly: false });
    return this.journal.placeOf(image) === undefined && !(await this.holdsMask(own, false));
  }

  private mayBeOf(path: string, about: Sharing): UserError {
    const names = [about.image, ...about.others].sort(byCodeUnits);
    const [, own] = this.placesOf(about);
    return new UserError(
      `${path} may be the mask of ${names.slice(0, -1).join(', ')} or of ${names.at(-1)}: rename it to ${own} if it is that of ${about.image}.`,
    );
  }

  /** The other images that are there and have the same usual place, or for which that place would be the next. */
  private async sharing(image: string): Promise<readonly string[]> {
    const inner = withoutImagesFolder(image);
    // The folder whose masks go to the same place: with `images/` in front, or without.
    const twin = inner === image ? posix.join(IMAGES_FOLDER, image) : inner;
    const others: string[] = [];
    for (const path of [image, twin]) {
      const beside = await this.imagesBeside(path);
      if (beside.length > 1 || beside[0] !== image) others.push(...beside.filter((other) => other !== image));
      // b.png.jpg beside b.png, whose mask may be b.png.png.
      const whole = posix.join(posix.dirname(path), stem(path));
      if (hasImageSuffix(stem(path))) {
        others.push(...(await this.imagesBeside(whole)).filter((other) => pathKey(other) === pathKey(whole)));
      }
    }
    return others;
  }

  /** Paths of the images in the folder of `path` that have its stem. */
  private async imagesBeside(path: string): Promise<readonly string[]> {
    const folder = posix.dirname(path);
    let listing = this.images.get(folder);
    if (listing === undefined) {
      listing = imagesByStem(this.root, folder);
      this.images.set(folder, listing);
    }
    return (await listing).get(pathKey(stem(path))) ?? [];
  }

  /** Whether there is more at a place than the empty file that a crash may leave where a mask was about to be made. */
  private async holdsMask(place: string, exactly: boolean): Promise<boolean> {
    const name = posix.basename(place);
    const names = (await this.masksIn(posix.dirname(place))).get(nameForm(name)) ?? [];
    if (!(exactly ? names.includes(name) : names.length > 0)) return false;
    const found = await stat(await this.spelled(place, exactly)).catch(() => null);
    return found !== null && found.size > 0;
  }

  /** Absolute path of a place, as the disk spells it. */
  private async spelled(place: string, exactly: boolean): Promise<string> {
    if (exactly) return this.pathOf(place);
    const name = posix.basename(place);
    const names = (await this.masksIn(posix.dirname(place))).get(nameForm(name)) ?? [];
    const found = names.includes(name) ? name : (names[0] ?? name);
    return join(await this.folderOf(posix.dirname(place)), found);
  }

  /** Names in a folder of masks by their form. */
  private masksIn(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
    let listing = this.masks.get(folder);
    if (listing === undefined) {
      listing = this.folderOf(folder).then(namesByForm);
      this.masks.set(folder, listing);
    }
    return listing;
  }

  private folderOf(folder: string): Promise<string> {
    const path = this.pathOf(folder);
    // Accents are rare: most folders are what they are called.
    return isPlain(folder) ? Promise.resolve(path) : spelledPath(path);
  }

  private pathOf(place: string): string {
    return join(this.folder, ...place.split('/'));
  }
}

/** An image with those that have the same usual place. */
interface Sharing {
  readonly image: string;
  readonly others: readonly string[];
  /** Another one differs only in its spelling, so that spellings count. */
  readonly exactly: boolean;
}

async function imagesByStem(root: string, folder: string): Promise<Map<string, string[]>> {
  const byStem = new Map<string, string[]>();
  for (const entry of await entriesIn(join(root, folder))) {
    if (entry.isDirectory() || !mayBeImage(entry.name)) continue;
    add(byStem, pathKey(stem(entry.name)), posix.join(folder, entry.name));
  }
  return byStem;
}

async function namesByForm(folder: string): Promise<Map<string, string[]>> {
  const byForm = new Map<string, string[]>();
  for (const { name } of await entriesIn(folder)) add(byForm, nameForm(name), name);
  return byForm;
}

function add(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
