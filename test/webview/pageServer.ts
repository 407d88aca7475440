/** Serves the page as the extension does, under its content policy, with a fake host and an image of the sample set. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { build } from 'esbuild';
import sharp from 'sharp';
import type { Size } from '../../src/core/geometry';
import { type LabelMap, toLabelRuns } from '../../src/core/pixels/labelMap';
import { pageHtml } from '../../src/editor/page/html';
import { decodeMaskPng } from '../../src/formats/maskPng';
import type { DisplayImage, DocumentFacts } from '../../src/protocol/editorApi';
import { someFacts } from './documents';
import type { Scene } from './page/scene';
import { THEMES, type ThemeName } from './themes';

/** Tests and scripts of this project start in its root. */
const ROOT = process.cwd();
const SAMPLES = path.join(ROOT, 'models', 'samples', 'vertebrae');
const TILE_SIZE = 512;

const NONCE = 'scene';

export interface SceneOptions {
  readonly theme: ThemeName;
  /** The sample is enlarged by this. */
  readonly enlarge: number;
  /** The sample's mask, or nothing yet. */
  readonly labelled: boolean;
  readonly automatic: boolean;
  readonly answerAfter: number;
  readonly depth: number;
  readonly facts: Partial<DocumentFacts>;
}

export const DEFAULT_SCENE: SceneOptions = {
  theme: 'dark',
  enlarge: 1,
  labelled: true,
  automatic: false,
  answerAfter: 15,
  depth: 8,
  facts: {},
};

export interface PageServer {
  /** Address of the page with this scene. */
  address(scene?: Partial<SceneOptions>): string;
  close(): void;
}

export async function servePage(): Promise<PageServer> {
  const texts = new Map([
    ['/webview.js', await bundled('webview/main.ts', '.js')],
    ['/webview.css', await bundled('webview/main.ts', '.css')],
    ['/fakeHost.js', await bundled('test/webview/page/fakeHost.ts', '.js')],
  ]);
  const images = new SampleImages();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const send = (type: string, body: string | Buffer) => response.setHeader('Content-Type', type).end(body);
    const text = texts.get(url.pathname);
    if (text !== undefined) {
      send(url.pathname.endsWith('.css') ? 'text/css' : 'text/javascript', text);
    } else if (url.pathname === '/') {
      const scene = {
        ...DEFAULT_SCENE,
        ...(JSON.parse(url.searchParams.get('scene') ?? '{}') as Partial<SceneOptions>),
      };
      images.scene(scene).then(
        (data) => send('text/html', html(scene.theme, data)),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    } else if (url.pathname === '/favicon.ico') {
      send('image/x-icon', '');
    } else {
      images.picture(url.pathname).then(
        (png) => send('image/png', png),
        () => response.writeHead(404).end(),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: (scene = {}) => `http://127.0.0.1:${portOf(server)}/?scene=${encodeURIComponent(JSON.stringify(scene))}`,
    close: () => server.close(),
  };
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function bundled(entry: string, extension: '.js' | '.css'): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(ROOT, entry)],
    outfile: path.join(ROOT, 'dist', 'page.js'),
    bundle: true,
    write: false,
    platform: 'browser',
    target: 'es2022',
    format: 'esm',
    logLevel: 'warning',
  });
  return outputFiles.find((file) => file.path.endsWith(extension))?.text ?? '';
}

/**
 * The extension's own page, with what VS Code puts around it as far as the page can tell, and the fake host before it.
 */
function html(theme: ThemeName, scene: Scene): string {
  const { kind, variables } = THEMES[theme];
  const declarations = Object.entries(variables).map(([name, value]) => `--vscode-${name}: ${value};`);
  const style = `<style nonce="${NONCE}">html { ${declarations.join(' ')} } body { padding: 0 20px; }</style>`;
  const data = JSON.stringify(scene).replaceAll('<', '\\u003c');
  const host = `<script nonce="${NONCE}">window.scene = ${data};</script>
  <script type="module" nonce="${NONCE}" src="/fakeHost.js"></script>`;
  return pageHtml({ script: '/webview.js', style: '/webview.css', cspSource: "'self'", nonce: NONCE })
    .replace('<link ', () => `${style}\n  <link `)
    .replace('<body>', () => `<body class="${kind}" data-vscode-theme-kind="${kind}">\n  ${host}`);
}

/** One image of the sample set at several sizes, cut into tiles when somebody asks. */
class SampleImages {
  private readonly source = path.join(SAMPLES, 'images', 'vertebrae_03.png');
  private readonly pictures = new Map<string, Promise<Buffer>>();

  async scene(options: SceneOptions): Promise<Scene> {
    const labels = await this.labels(options);
    const { values, lengths } = toLabelRuns(labels);
    return {
      image: imageOf(labels.size, options),
      labels: { values: [...values], lengths: [...lengths] },
      facts: {
        ...someFacts,
        name: 'vertebrae_03.png',
        classes: [
          { id: 1, name: 'Vertebra', colour: '#e69f00' },
          { id: 2, name: 'Spinal canal', colour: '#56b4e9' },
        ],
        ...options.facts,
      },
      automatic: options.automatic,
      answerAfter: options.answerAfter,
    };
  }

  /** `/<enlarge>/overview.png` or `/<enlarge>/<level>/<column>_<row>.png`. */
  picture(url: string): Promise<Buffer> {
    const made = this.pictures.get(url) ?? this.make(url);
    this.pictures.set(url, made);
    return made;
  }

  private async make(url: string): Promise<Buffer> {
    const found = /^\/(\d+)\/(?:(overview)|(\d+)\/(\d+)_(\d+))\.png$/.exec(url);
    if (!found) throw new RangeError(`no picture ${url}`);
    const size = await this.size(Number(found[1]));
    if (found[2]) {
      return sharp(this.source)
        .resize({ ...scaledTo(size, 1024), fit: 'fill', kernel: 'nearest' })
        .png()
        .toBuffer();
    }
    const [level, column, row] = found.slice(3).map(Number);
    const levels = levelsOf(size);
    const levelSize = sizeOfLevel(size, levels, level);
    const left = column * TILE_SIZE;
    const top = row * TILE_SIZE;
    const pixels = await sharp(this.source)
      .resize({ ...levelSize, fit: 'fill', kernel: 'nearest' })
      .png()
      .toBuffer();
    return sharp(pixels)
      .extract({
        left,
        top,
        width: Math.min(TILE_SIZE, levelSize.width - left),
        height: Math.min(TILE_SIZE, levelSize.height - top),
      })
      .png()
      .toBuffer();
  }

  private async size(enlarge: number): Promise<Size> {
    const { width, height } = await sharp(this.source).metadata();
    return { width: width * enlarge, height: height * enlarge };
  }

  private async labels({ enlarge, labelled }: SceneOptions): Promise<LabelMap> {
    const size = await this.size(enlarge);
    const labels: LabelMap = { size, data: new Uint8Array(size.width * size.height) };
    if (!labelled) return labels;
    const mask = decodeMaskPng(readFileSync(path.join(SAMPLES, 'masks', 'vertebrae_03.png')), 'vertebrae_03.png');
    for (let at = 0; at < labels.data.length; at++) {
      const x = Math.floor((at % size.width) / enlarge);
      const y = Math.floor(Math.floor(at / size.width) / enlarge);
      labels.data[at] = mask.data[y * mask.size.width + x] > 0 ? 1 : 0;
    }
    return labels;
  }
}

function imageOf(size: Size, { enlarge, depth }: SceneOptions): DisplayImage {
  return {
    size,
    overview: `/${enlarge}/overview.png`,
    tiles: { base: `/${enlarge}`, tileSize: TILE_SIZE, levels: levelsOf(size) },
    depth,
    window: depth > 8 ? { low: 412, high: 30210 } : null,
  };
}

function levelsOf({ width, height }: Size): number {
  let levels = 1;
  while (Math.max(width, height) / 2 ** (levels - 1) > TILE_SIZE) levels++;
  return levels;
}

/** Each level is half of the one above, rounded up. */
function sizeOfLevel(size: Size, levels: number, level: number): Size {
  let { width, height } = size;
  for (let above = levels - 1; above > level; above--) {
    width = Math.ceil(width / 2);
    height = Math.ceil(height / 2);
  }
  return { width, height };
}

function scaledTo({ width, height }: Size, most: number): Size {
  const scale = Math.min(1, most / Math.max(width, height));
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}
