/** Runs a TypeScript file without a build: `node scripts/ts.mjs bench/hub.ts …`. Types are dropped, not checked. */
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

register('./ts-hooks.mjs', import.meta.url);
const [script, ...rest] = process.argv.slice(2);
if (script === undefined)
  throw new Error('Expected a TypeScript file to run: node scripts/ts.mjs FILE [ARGUMENT…]');
process.argv = [process.argv[0], resolve(script), ...rest];
await import(pathToFileURL(resolve(script)).href);
