/** Who owns a listener, a watcher or a process ends it: owners register what they make and are disposed as one. */

interface Disposable {
  dispose(): unknown;
}

/** Owns disposables; disposes them in reverse order, once. */
export class Owner implements Disposable {
  private readonly owned: Disposable[] = [];
  private ended = false;

  get disposed(): boolean {
    return this.ended;
  }

  /** Takes over a disposable and gives it back. After the owner's end it is disposed at once. */
  register<T extends Disposable>(disposable: T): T {
    if (this.ended) disposable.dispose();
    else this.owned.push(disposable);
    return disposable;
  }

  dispose(): void {
    if (this.ended) return;
    this.ended = true;
    for (const disposable of this.owned.splice(0).reverse()) disposable.dispose();
  }
}
