/** Tiles in memory and on their way: a few requests at a time, the most wanted first, the least recently used go. */
import { type TileKey, tileName } from './tileGrid';

interface TileSource<T> {
  /** Rejects where the tile cannot be had; an aborted request may do either. */
  load(key: TileKey, signal: AbortSignal): Promise<T>;
  bytesOf(tile: T): number;
  /** Called once for each tile loaded. */
  release(tile: T): void;
}

interface TileStoreLimits {
  /** Tiles that are not wanted now are dropped beyond this. */
  readonly bytes: number;
  readonly requests: number;
}

export class TileStore<T> {
  /** In order of their last use, the newest at the end. */
  private readonly tiles = new Map<string, T>();
  private readonly requests = new Map<string, AbortController>();
  private readonly failed = new Set<string>();
  private wanted = new Map<string, TileKey>();
  private bytes = 0;
  private disposed = false;

  constructor(
    private readonly source: TileSource<T>,
    private readonly limits: TileStoreLimits,
    private readonly events: { onLoaded(key: TileKey): void; onFailed(key: TileKey, error: unknown): void },
  ) {}

  get(key: TileKey): T | undefined {
    const name = tileName(key);
    const tile = this.tiles.get(name);
    if (tile !== undefined) {
      this.tiles.delete(name);
      this.tiles.set(name, tile);
    }
    return tile;
  }

  readonly has = (key: TileKey): boolean => this.tiles.has(tileName(key));

  /** Replaces what was wanted before. Requests for what is wanted no longer are given up. */
  want(keys: readonly TileKey[]): void {
    this.wanted = new Map(keys.map((key) => [tileName(key), key]));
    for (const [name, request] of this.requests) {
      if (this.wanted.has(name)) continue;
      request.abort();
      this.requests.delete(name);
    }
    this.fill();
  }

  /** Tiles that could not be had may be asked for again. */
  forgive(): void {
    this.failed.clear();
    this.fill();
  }

  dispose(): void {
    this.disposed = true;
    for (const request of this.requests.values()) request.abort();
    for (const tile of this.tiles.values()) this.source.release(tile);
    this.tiles.clear();
  }

  private fill(): void {
    if (this.disposed) return;
    for (const [name, key] of this.wanted) {
      if (this.requests.size >= this.limits.requests) return;
      if (!this.tiles.has(name) && !this.requests.has(name) && !this.failed.has(name)) void this.request(name, key);
    }
  }

  private async request(name: string, key: TileKey): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    this.requests.set(name, controller);
    try {
      const tile = await this.source.load(key, signal);
      if (signal.aborted || this.disposed) {
        this.source.release(tile);
        return;
      }
      this.tiles.set(name, tile);
      this.bytes += this.source.bytesOf(tile);
      this.makeRoom();
      this.events.onLoaded(key);
    } catch (error) {
      // A request that was given up has no say any more.
      if (signal.aborted || this.disposed) return;
      this.failed.add(name);
      this.events.onFailed(key, error);
    } finally {
      // A newer request may have taken the place of one given up.
      if (this.requests.get(name) === controller) this.requests.delete(name);
      this.fill();
    }
  }

  private makeRoom(): void {
    for (const [name, tile] of this.tiles) {
      if (this.bytes <= this.limits.bytes) return;
      if (this.wanted.has(name)) continue;
      this.tiles.delete(name);
      this.bytes -= this.source.bytesOf(tile);
      this.source.release(tile);
    }
  }
}
