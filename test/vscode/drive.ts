/** For drives of the user interface: a server, a window and files of their own for the tests of one `describe`. */
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { vscodeHost } from './host';
import { repository } from './install';
import { copySamples } from './samples';
import { CodeServer, type ServerOptions } from './server';
import { type WindowOptions, Workbench } from './workbench';

export interface DriveOptions extends ServerOptions, WindowOptions {
  /**
   * Numbers of the sample images, from 1 to 10, that are in `images/` of the workspace; the first three unless given.
   */
  readonly samples?: readonly number[];
  /** Further files, made before the window opens. */
  readonly files?: (workspace: string) => Promise<void>;
}

/**
 * Opens before the first test and closes after the last. A test that fails leaves a picture of the window; an error in
 * a console that no test has taken out of `workbench.problems` fails the drive.
 */
export class Drive {
  private opened: { readonly server: CodeServer; readonly workbench: Workbench } | undefined;

  constructor(options: DriveOptions = {}) {
    beforeAll(() => this.open(options), 120_000);
    beforeEach(({ task, onTestFailed }) => {
      onTestFailed(() => this.opened?.workbench.screenshot(`failed ${task.name}`));
    });
    afterAll(() => this.close());
  }

  get server(): CodeServer {
    return this.parts.server;
  }

  get workbench(): Workbench {
    return this.parts.workbench;
  }

  /** Absolute path of the folder that is open. */
  get folder(): string {
    return this.workbench.folder;
  }

  private get parts() {
    if (this.opened === undefined) throw new Error('the window opens before the first test');
    return this.opened;
  }

  private async open(options: DriveOptions): Promise<void> {
    const server = await CodeServer.start(vscodeHost(), options);
    try {
      const folder = options.folder ?? server.workspace;
      await copySamples(repository, folder, options.samples ?? [1, 2, 3]);
      await options.files?.(folder);
      this.opened = { server, workbench: await Workbench.open(vscodeHost(), server, options) };
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  private async close(): Promise<void> {
    if (this.opened === undefined) return;
    const { server, workbench } = this.opened;
    const problems = [...workbench.problems];
    await workbench.close().finally(() => server.stop());
    expect(problems).toEqual([]);
  }
}
