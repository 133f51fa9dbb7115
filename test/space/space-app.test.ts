import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { titleOf } from '../../src/domain/release/title.ts';
import { GRADIO_VERSION } from '../../src/reports/cards/cards.ts';
import { SpaceConfig } from '../../src/space/space-config.ts';
import { SPACE_PROMPT_LIMIT } from '../../src/space/space-repo.ts';

const app = await readFile(new URL('../../space/app.py', import.meta.url), 'utf8');

describe('the Space app', () => {
  it('reads exactly the settings that a deployment writes', () => {
    const read = new Set([...app.matchAll(/(?:CONFIG\[|setting\()['"]([A-Z_0-9]+)['"]/g)].map((m) => m[1]));
    expect([...read].sort()).toEqual(Object.keys(SpaceConfig.shape).sort());
  });

  it('takes prompts as long as those that a trial asks for', async () => {
    const guard = await readFile(new URL('../../space/guard.py', import.meta.url), 'utf8');
    expect(guard).toContain(`PROMPT_LIMIT = ${SPACE_PROMPT_LIMIT}\n`);
  });

  it('asks for ZeroGPU before torch is imported, as the service wants it', () => {
    expect(app.indexOf('import spaces')).toBeLessThan(app.indexOf('import torch'));
  });

  it('runs on the Gradio version that its requirements leave to the header of its README', async () => {
    const requirements = await readFile(new URL('../../space/requirements.txt', import.meta.url), 'utf8');
    expect(/^gradio/m.test(requirements)).toBe(false);
    expect(GRADIO_VERSION).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('has a title that people can read', () => {
    expect(titleOf('late-monet-2')).toBe('Late Monet 2');
  });
});
