import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { fsck } from '../../src/local-hub/fsck.ts';
import type { DiskEvent } from './disk-record.ts';
import { look, prepareFolder, type Visible } from './operations.ts';
import { ForgetfulDisk, readRecord } from './power-cut.ts';

let top: string;
let before: Visible;

beforeAll(async () => {
  top = await mkdtemp(join(tmpdir(), 'power-cut-'));
  await prepareFolder(join(top, 'pristine'));
  before = await look(join(top, 'pristine'));
});
afterAll(() => rm(top, { recursive: true, force: true }));

/** Runs an operation on a copy and returns what it did to the disk, and what is to be seen afterwards. */
async function recorded(operation: string): Promise<{ root: string; events: DiskEvent[]; after: Visible }> {
  const root = join(top, operation);
  const pristine = join(top, `${operation}-before`);
  for (const folder of [root, pristine]) await cp(join(top, 'pristine'), folder, { recursive: true });
  const record = join(top, `${operation}-record`);
  await execa('node', ['scripts/ts.mjs', 'test/local-hub/disk-record.ts', root, operation, record]);
  return { root: pristine, events: readRecord(record), after: await look(root) };
}

describe('a power cut that loses everything that was not flushed', () => {
  it.each(['commit', 'squash', 'deleteForGood', 'tag', 'settings', 'create', 'move', 'remove'])(
    'in the middle of "%s" leaves what was before or is after, and after the answer what was answered',
    async (operation) => {
      const { root, events, after } = await recorded(operation);
      // The record names paths of the folder that it ran on.
      const moved = JSON.parse(
        JSON.stringify(events).replaceAll(join(top, operation, '/'), `${root}/`),
      ) as DiskEvent[];
      expect(moved.map(({ kind }) => kind)).toContain('answer');
      expect(moved.some(({ kind }) => kind === 'flushFolder')).toBe(true);
      const disk = new ForgetfulDisk(root);
      const flushes = moved.filter(
        (event): event is DiskEvent & { kind: 'flushFolder' } => event.kind === 'flushFolder',
      );
      for (const flush of flushes) if (flush.from === 0) disk.begin(flush);
      for (const [index, event] of moved.entries()) {
        disk.apply(event, flushes);
        const isAnswered = moved.slice(0, index + 1).some(({ kind }) => kind === 'answer');
        // Only a flush changes what a cut leaves.
        if (!isAnswered && event.kind !== 'flush' && event.kind !== 'flushFolder') continue;
        const cut = join(top, 'cut');
        disk.cut(cut);
        const where = `${operation}, event ${index} of ${moved.length} (${event.kind})`;
        expect([where, (await fsck(cut)).problems]).toEqual([where, []]);
        const seen = await look(cut);
        if (isAnswered) expect([where, seen]).toEqual([where, after]);
        else if (operation !== 'deleteForGood') expect([before, after]).toContainEqual(seen);
        await rm(cut, { recursive: true });
      }
    },
    120_000,
  );
});
