// Writes the JSON Schema that the Python trainer checks every line against, from the zod definitions.
// Usage, after `npm run build`: node scripts/generate-protocol-schema.mjs [folder of the compiled sources, default dist]
import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { z } from 'zod';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where Python looks for the schema. */
export const SCHEMA_FILE = join(root, 'gpu-worker/src/plein_air/protocol/protocol.schema.json');

/** The schema's text: parameters and result by verb, the events, and the names of the evaluation's metrics. */
export function protocolSchema({ VERBS, TrainerEvent, METRICS }) {
  const describe = (schema) => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
    return rest;
  };
  const verbs = Object.entries(VERBS);
  const schema = {
    $comment:
      'Generated from src/domain/trainer-protocol.ts by scripts/generate-protocol-schema.mjs. Do not edit.',
    params: Object.fromEntries(verbs.map(([verb, { params }]) => [verb, describe(params)])),
    results: Object.fromEntries(verbs.map(([verb, { result }]) => [verb, describe(result)])),
    event: describe(TrainerEvent),
    metrics: Object.keys(METRICS),
  };
  return `${JSON.stringify(schema, null, 1)}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const dist = resolve(process.argv[2] ?? join(root, 'dist'));
  const load = (file) => import(pathToFileURL(join(dist, 'domain', file)).href);
  const definitions = { ...(await load('trainer-protocol.js')), ...(await load('evaluation/metrics.js')) };
  writeFileSync(SCHEMA_FILE, protocolSchema(definitions));
  console.log(`wrote ${SCHEMA_FILE}`);
}
