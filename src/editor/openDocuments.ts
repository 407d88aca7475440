/** Documents that are open in label editors: those of images, and those of files that cannot be shown. */
import type * as vscode from 'vscode';
import { UserError } from '../core/userError';
import { Owner } from '../dispose';
import type { ImagePlace } from './image/imageFiles';
import type { OpenImage } from './image/openImage';
import type { UnsavedWork } from './unsaved/unsavedWork';

/** An open image as VS Code's document. */
export class LabelDocumentHandle extends Owner implements vscode.CustomDocument {
  /** VS Code has asked for a backup, so it knows of unsaved work. */
  isBackedUp = false;
  /** What the last save failed with. */
  refusal: unknown;

  /**
   * @param unsaved undefined for what cannot be edited
   * @param isMistaken VS Code has another opinion of whether there is unsaved work: it is to be told once the document
   *   is known to it
   */
  constructor(
    readonly uri: vscode.Uri,
    readonly image: OpenImage,
    readonly unsaved: UnsavedWork | undefined,
    public isMistaken = false,
  ) {
    super();
    this.register(image);
    if (unsaved) this.register({ dispose: () => void unsaved.close() });
  }
}

/** VS Code's document of an image that cannot be shown. */
export class UnreadableDocument extends Owner implements vscode.CustomDocument {
  constructor(
    readonly uri: vscode.Uri,
    /** One sentence. */
    readonly problem: string,
    /** Where it stands; null where nothing is there. */
    readonly place: Pick<ImagePlace, 'root' | 'image'> | null,
  ) {
    super();
  }

  /** Saving, reverting and all else that needs the image says why it cannot be. */
  get image(): never {
    throw new UserError(this.problem);
  }
}

export type AnyDocument = LabelDocumentHandle | UnreadableDocument;

/** Where a person is: an image, and the class that is worked on where it is open for labelling. */
export interface OpenPlace extends Pick<ImagePlace, 'root' | 'image'> {
  readonly classId: number | undefined;
}

export function placeOf(document: AnyDocument | undefined): OpenPlace | undefined {
  if (document instanceof UnreadableDocument)
    return document.place ? { ...document.place, classId: undefined } : undefined;
  if (!document) return undefined;
  const { place, selectedClass } = document.image;
  return { root: place.root, image: place.image, classId: selectedClass };
}

export class OpenDocuments {
  private readonly documents = new Set<AnyDocument>();

  /** Those of images, in the order in which they were opened. */
  get readable(): readonly LabelDocumentHandle[] {
    return [...this.documents].filter((document) => document instanceof LabelDocumentHandle);
  }

  /** Holds a document until it is disposed. */
  add<T extends AnyDocument>(document: T): T {
    this.documents.add(document);
    document.register({ dispose: () => this.documents.delete(document) });
    return document;
  }

  /** The document of a file; that of its image where another one of the same file could not be shown. */
  of(uri: vscode.Uri): AnyDocument | undefined {
    return this.readableOf(uri) ?? [...this.documents].find((document) => isOf(document, uri));
  }

  readableOf(uri: vscode.Uri): LabelDocumentHandle | undefined {
    return this.readable.find((document) => isOf(document, uri));
  }

  /**
   * Documents whose unsaved work a person has dropped, without VS Code saying so: it asked before it ended, and their
   * tabs are still there, but clean.
   *
   * @param tabsOf the tabs that show a document
   */
  dropped(tabsOf: (uri: vscode.Uri) => readonly { readonly isDirty: boolean }[]): LabelDocumentHandle[] {
    return this.readable.filter(({ uri, image, isBackedUp }) => {
      const tabs = tabsOf(uri);
      return isBackedUp && image.document.dirty && tabs.length > 0 && !tabs.some(({ isDirty }) => isDirty);
    });
  }
}

const isOf = (document: AnyDocument, uri: vscode.Uri): boolean => document.uri.toString() === uri.toString();
