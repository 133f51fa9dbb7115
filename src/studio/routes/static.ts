import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { PROJECT } from '../../config/paths.ts';
import { STYLE } from '../../reports/render/html-style.ts';
import type { StudioEnv } from '../access/guard.ts';

const FOLDER = join(PROJECT, 'studio');

const MANIFEST = {
  ...{ name: 'Plein Air Studio', short_name: 'Studio', start_url: '/', scope: '/', display: 'standalone' },
  ...{ background_color: '#fdfbf6', theme_color: '#fdfbf6' },
  icons: [{ src: '/icon.svg', sizes: 'any', type: 'image/svg+xml', purpose: 'any' }],
};

/** Adds what every page loads: style, script, icon and manifest. It is the same for everybody and needs no link. */
export function addStaticRoutes(app: Hono<StudioEnv>): void {
  const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8');
  const files: Record<string, { type: string; content: string }> = {
    '/studio.css': { type: 'text/css', content: `${STYLE}\n${read('studio.css')}` },
    '/studio.js': { type: 'text/javascript', content: read('studio.js') },
    '/icon.svg': { type: 'image/svg+xml', content: read('icon.svg') },
    '/manifest.webmanifest': { type: 'application/manifest+json', content: JSON.stringify(MANIFEST) },
  };
  for (const [path, { type, content }] of Object.entries(files))
    app.get(path, (c) => {
      c.header('cache-control', 'private, max-age=300');
      return c.body(content, 200, { 'content-type': `${type}; charset=utf-8` });
    });
}
