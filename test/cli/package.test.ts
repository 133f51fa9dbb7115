import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the package that npm packs', () => {
  let files: string[];
  let bytes: number;
  beforeAll(() => {
    // Without the scripts: they build, and leave files that another test of this checkout could see.
    const out = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      ...{ cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    });
    const [pack] = JSON.parse(out) as { files: { path: string }[]; size: number }[];
    files = pack?.files.map(({ path }) => path) ?? [];
    bytes = pack?.size ?? Number.POSITIVE_INFINITY;
  }, 60_000);

  it('holds what the command, its set-up and every worker read', () => {
    const wanted = [
      ...['LICENSE', 'README.md', 'package.json', 'scripts/run.mjs', 'scripts/setup.mjs'],
      ...['dist/cli/main.js', 'dist/workers/pipeline-worker.js', 'dist/workers/gpu-worker.js'],
      ...['dist/workflow-bundle.js', 'dist/workflow-bundle-encrypted-traced.js'],
      ...['gpu-worker/requirements.lock', 'gpu-worker/requirements-gpu.lock', 'temporal/requirements.lock'],
      ...['gpu-worker/src/plein_air/__main__.py', 'gpu-worker/src/plein_air/protocol/protocol.schema.json'],
      ...['space/app.py', 'space/guard.py', 'space/requirements.txt', 'temporal/schedules.yaml'],
    ];
    expect(wanted.filter((path) => !files.includes(path))).toEqual([]);
    const tiny = execFileSync('git', ['ls-files', 'gpu-worker/tiny-base', 'gpu-worker/src'], {
      ...{ cwd: ROOT, encoding: 'utf8' },
    });
    const tracked = tiny.split('\n').filter((path) => path !== '');
    expect(tracked.filter((path) => !files.includes(path))).toEqual([]);
  });

  it('holds nothing of a developer: no test, environment, data folder or source of the build', () => {
    const foreign =
      /(^|\/)(test|tests|bench|src\/cli|node_modules|\.venv|\.tools|\.plein-air|__pycache__|\.git.*|\.env.*)(\/|$)/;
    expect(files.filter((path) => foreign.test(path) || path.endsWith('.pyc'))).toEqual([]);
    expect(bytes).toBeLessThan(25 * 1024 * 1024);
  });

  it('is set up without a build: none of its files makes set-up think that it is a checkout', () => {
    const marker = /isPackage = !existsSync\(at\('([^']+)'\)\)/.exec(
      readFileSync(join(ROOT, 'scripts/setup.mjs'), 'utf8'),
    )?.[1];
    expect(marker).toBeDefined();
    expect(existsSync(join(ROOT, marker ?? ''))).toBe(true);
    expect(files).not.toContain(marker);
  });

  it('pins what it depends on to the very versions that were tested', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect(Object.values(dependencies).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
