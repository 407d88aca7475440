/** package.json says the same as the code: defaults live once in spirit, where the format makes them stand twice. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { contributes, icon } from '../package.json';
import { strategyIds } from '../src/core/strategies';
import { DEFAULT_VIEWS } from '../src/core/strategies/strategy';
import { PROJECT_DEFAULTS } from '../src/dataset/project/setUp';
import { deviceChoices } from '../src/devices/devices';
import { READ_SUFFIXES } from '../src/formats/imageFormat';
import {
  CANVAS_ACTIONS,
  CANVAS_FOCUS,
  COMMANDS,
  commandId,
  EDITOR_TYPE,
  VIEWS,
  viewId,
  WORKBENCH_COMMANDS,
} from '../src/protocol/contributions';

const root = path.resolve(import.meta.dirname, '..');
const { commands, menus, keybindings, configuration, customEditors, viewsWelcome, walkthroughs } = contributes;
const settings = configuration.properties as Readonly<
  Record<string, { default: unknown; description?: string; markdownDescription?: string; [key: string]: unknown }>
>;
const known = new Set(commands.map(({ command }) => command));

describe('settings', () => {
  it.each(['encoder', 'segmenter', 'strategy', 'maskFolder'] as const)('%s defaults to what a project does', (name) => {
    expect(settings[`apMedSam.${name}`].default).toBe(PROJECT_DEFAULTS[name]);
  });

  it('offer every strategy, each explained', () => {
    expect(settings['apMedSam.strategy'].enum).toEqual(strategyIds);
    expect(settings['apMedSam.strategy'].enumDescriptions).toHaveLength(strategyIds.length);
    expect(settings['apMedSam.views'].default).toBe(DEFAULT_VIEWS);
  });

  it('offer every device, each explained', () => {
    expect(settings['apMedSam.device'].enum).toEqual(deviceChoices);
    expect(settings['apMedSam.device'].enumDescriptions).toHaveLength(deviceChoices.length);
  });

  it.each(Object.entries(settings))('%s has a description, a default and a range', (_, setting) => {
    expect(setting.description ?? setting.markdownDescription).toMatch(/\.$/);
    expect(setting.default).toBeDefined();
    const range = setting.enum ?? setting.minLength ?? setting.minimum;
    expect(range).toBeDefined();
    if (typeof setting.default === 'number') {
      expect(setting.default).toBeGreaterThanOrEqual(setting.minimum as number);
      expect(setting.default).toBeLessThanOrEqual(setting.maximum as number);
    }
  });
});

describe('commands', () => {
  it('are those of the code, each once', () => {
    const inCode = [...COMMANDS, ...CANVAS_ACTIONS.map((action) => `canvas.${action}` as const)].map(commandId);
    expect(commands.map(({ command }) => command).sort()).toEqual(inCode.sort());
  });

  it('are all that menus, keys, views and walkthroughs refer to', () => {
    const inMenus = Object.values(menus).flatMap((items) => items.map(({ command }) => command));
    const inKeys = keybindings.map(({ command }) => command);
    const inTexts = [...JSON.stringify([viewsWelcome, walkthroughs]).matchAll(/\(command:([\w.]+)\)/g)].map(
      ([, id]) => id,
    );
    const builtIn = [WORKBENCH_COMMANDS.manageTrust];
    for (const command of [...inMenus, ...inKeys, ...inTexts]) expect([...known, ...builtIn]).toContain(command);
  });

  it('on plain keys act on the canvas alone', () => {
    for (const { key, when } of keybindings) {
      expect(key).toMatch(/^[a-z0-9[\]=-]$/);
      expect(when).toBe(`activeCustomEditorId == ${EDITOR_TYPE} && ${CANVAS_FOCUS}`);
    }
    expect(new Set(keybindings.map(({ key }) => key)).size).toBe(keybindings.length);
  });

  it('that write need a trusted workspace', () => {
    const reading = /^apMedSam\.(canvas\.|open|show|review|next|previous|manage|verify|sort|refresh)/;
    for (const { command, ...about } of commands) {
      if (!reading.test(command)) expect(about).toMatchObject({ enablement: 'isWorkspaceTrusted' });
    }
  });
});

describe('the editor', () => {
  it('and its views are called as in the code', () => {
    expect(customEditors.map(({ viewType }) => viewType)).toEqual([EDITOR_TYPE]);
    const inManifest = Object.values(contributes.views).flatMap((views) => views.map(({ id }) => id));
    expect(inManifest.sort()).toEqual(VIEWS.map(viewId).sort());
    const named = [
      ...JSON.stringify([menus, keybindings, viewsWelcome]).matchAll(/(?:activeCustomEditorId|view) == ([\w.]+)/g),
    ];
    expect(named.length).toBeGreaterThan(5);
    for (const [, id] of named) expect([EDITOR_TYPE, ...inManifest]).toContain(id);
  });

  it('opens the images that are read, in either case, and no others', () => {
    const patterns = READ_SUFFIXES.flatMap((suffix) => [`*.${suffix}`, `*.${suffix.toUpperCase()}`]);
    expect(customEditors[0].selector.map(({ filenamePattern }) => filenamePattern).sort()).toEqual(patterns.sort());
  });

  it('is offered in menus for the images that are read, and no others', () => {
    const conditions = Object.values(menus).flatMap((items) => items.map((item) => ('when' in item ? item.when : '')));
    const offered = conditions.flatMap((when) => /resourceFilename =~ \/(.*?)\/i/.exec(when)?.[1] ?? []);
    expect(offered.length).toBeGreaterThan(2);
    // What else people keep beside images, and parts of suffixes that are read.
    for (const suffix of [...READ_SUFFIXES, 'gif', 'avif', 'npy', 'txt', 'jp', 'jpg2', 'ti']) {
      for (const pattern of offered) {
        expect(new RegExp(pattern, 'i').test(`a.${suffix}`), suffix).toBe(READ_SUFFIXES.includes(suffix));
      }
    }
  });

  it('comes with the pictures that it names', () => {
    const named = [
      icon,
      ...[...JSON.stringify(contributes).matchAll(/"(webview\/media\/[^"]+)"/g)].map(([, file]) => file),
    ];
    expect(named.length).toBeGreaterThan(5);
    for (const file of named) expect(existsSync(path.join(root, file)), file).toBe(true);
  });
});
