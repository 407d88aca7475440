/** The Models view and its downloads: the model process, VS Code's own proxy settings, a server inside this test. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { sha256 } from '../../src/disk/hashing';
import type { ModelNode } from '../../src/views/modelTree';
import { FileServer } from '../downloads/fileServer';
import { api, until } from './editing';
import { home } from './workspace';

const GRAPH = Buffer.concat([Buffer.of(8), randomBytes(299_999)]);
const NAME = { kind: 'encoder', id: 'tiny' } as const;

describe('the Models view', () => {
  let server: FileServer;
  const folder = () => path.join(home(), 'models');

  /** The row of a model as a person meets it. */
  async function row(id: string = NAME.id) {
    const { view } = (await api()).models;
    const [encoders] = await view.getChildren();
    const nodes = (await view.getChildren(encoders)) as ModelNode[];
    const node = nodes.find(({ model }) => model.entry.id === id)!;
    const item = view.getTreeItem(node);
    return { node, description: String(item.description), can: (item.contextValue ?? '').split(' ').slice(1), item };
  }

  beforeEach(async () => {
    server = await FileServer.start();
    const url = server.serve('/tiny.onnx', GRAPH);
    const files = [{ role: 'model', file: 'encoder-tiny/tiny.onnx', url, sha256: sha256(GRAPH), bytes: GRAPH.length }];
    const entry = { ...NAME, family: 'dinov2', title: 'Tiny', licence: 'MIT', origin: 'a test', files };
    await mkdir(folder(), { recursive: true });
    await writeFile(path.join(folder(), 'manifest.json'), JSON.stringify({ version: 1, models: [entry] }));
    await vscode.workspace.getConfiguration('http').update('noProxy', ['127.0.0.1'], vscode.ConfigurationTarget.Global);
  });
  afterEach(async () => {
    for (const [section, name] of [
      ['http', 'noProxy'],
      ['http', 'proxy'],
      ['apMedSam', 'modelMirror'],
    ]) {
      await vscode.workspace.getConfiguration(section).update(name!, undefined, vscode.ConfigurationTarget.Global);
    }
    await server.close();
    await rm(folder(), { recursive: true, force: true });
  });

  it('tells what is there and what can be had, and offers what fits', async () => {
    const embedded = await row('embedded');
    assert.match(embedded.description, /^default, 2\.1 MB, Apache-2\.0, shipped$/);
    assert.deepEqual(embedded.can, ['canUse', 'canVerify']);
    const official = await row('dinov2-small');
    assert.equal(official.description, '88.5 MB, Apache-2.0, not downloaded');
    assert.deepEqual(official.can, ['canDownload']);
    assert.equal(
      official.item.accessibilityInformation?.label,
      'encoder dinov2-small, 88.5 MB, Apache-2.0, not downloaded',
    );
  });

  it('downloads, shows that it does, checks and removes', async () => {
    let finish: () => void = () => undefined;
    server.on('/tiny.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': GRAPH.length }).write(GRAPH.subarray(0, 100_000));
      finish = () => response.end(GRAPH.subarray(100_000));
    });
    const { jobs, view, store } = (await api()).models;
    const work = jobs.run(NAME);
    assert.equal(jobs.run(NAME), work);
    await until(async () => /^0\.1 of 0\.3 MB/.test((await row()).description));
    assert.deepEqual((await row()).can, ['canCancel']);
    finish();
    await work;
    assert.deepEqual((await row()).can, ['canRemove', 'canUse', 'canVerify']);
    assert.match((await row()).description, /^0\.3 MB, MIT, downloaded$/);
    assert.deepEqual(await view.verify(), []);
    await store.requirePresent(NAME);
    await store.remove(NAME);
    view.refresh(NAME);
    assert.deepEqual((await row()).can, ['canDownload']);
    assert.equal(existsSync(path.join(folder(), 'encoder-tiny')), false);
  });

  it('cancels a download, and goes on with what is there', async () => {
    server.on('/tiny.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': GRAPH.length }).write(GRAPH.subarray(0, 100_000));
    });
    const { jobs } = (await api()).models;
    const work = jobs.run(NAME);
    await until(async () => /^0\.1 of 0\.3 MB/.test((await row()).description));
    await vscode.commands.executeCommand('apMedSam.cancelDownload', (await row()).node);
    await assert.rejects(work, vscode.CancellationError);
    assert.deepEqual((await row()).can, ['canDownload', 'canRemove']);
    assert.match((await row()).description, /0\.1 MB downloaded$/);
    server.serve('/tiny.onnx', GRAPH);
    await jobs.run(NAME);
    assert.match(server.rangesOf('/tiny.onnx').at(-1) ?? '', /^bytes=[1-9]/);
  });

  it("follows VS Code's proxy and the mirror of the settings", async () => {
    const { jobs } = (await api()).models;
    const http = vscode.workspace.getConfiguration('http');
    await http.update('noProxy', undefined, vscode.ConfigurationTarget.Global);
    // A proxy that is not there: the refusal shows that it was asked.
    await http.update('proxy', 'http://127.0.0.1:1', vscode.ConfigurationTarget.Global);
    await assert.rejects(jobs.run(NAME), /through the proxy http:\/\/127\.0\.0\.1:1: refused\.$/);
    await http.update('noProxy', ['127.0.0.1'], vscode.ConfigurationTarget.Global);
    const mirror = vscode.workspace.getConfiguration('apMedSam');
    await mirror.update('modelMirror', `${server.origin}/elsewhere`, vscode.ConfigurationTarget.Global);
    await assert.rejects(jobs.run(NAME), /\/elsewhere\/tiny\.onnx does not exist \(HTTP 404\)/);
  });
});
