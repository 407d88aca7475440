/**
 * The page of the label editor: nothing but a script and a style of our own, and pictures from the cache. The second
 * meta element is where the toolkit's base library looks for the nonce of the style element that it probes the browser
 * with.
 */

interface PageSources {
  /** Addresses as the webview loads them. */
  readonly script: string;
  readonly style: string;
  /** Origin of all resources of the webview. */
  readonly cspSource: string;
  /** Fresh for each page. */
  readonly nonce: string;
}

export function pageHtml({ script, style, cspSource, nonce }: PageSources): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${cspSource} 'nonce-${nonce}'`,
    `img-src ${cspSource} blob: data:`,
    // Tiles are fetched so that they are decoded beside the page's thread; the origin serves local files alone.
    `connect-src ${cspSource}`,
    `font-src ${cspSource}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta property="csp-nonce" content="${nonce}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Label Editor</title>
  <link rel="stylesheet" href="${style}">
</head>
<body>
  <script type="module" nonce="${nonce}" src="${script}"></script>
</body>
</html>`;
}
