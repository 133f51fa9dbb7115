import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  CheckpointManifest,
  checkpointFolder,
  fingerprintDifferences,
} from '../../../src/domain/training/checkpoint.ts';
import {
  type CheckpointFolder,
  checkpointOf,
  damageOf,
  dropped,
  findCheckpoints,
  newestFirst,
} from '../../../src/domain/training/checkpoint-choice.ts';

const sha = (digit: string) => digit.repeat(64);
const listed = (path: string, bytes = 3, sha256: string | null = sha('a')) => ({ path, bytes, sha256 });
const manifest = (step: number): CheckpointManifest =>
  CheckpointManifest.parse({
    format: 1,
    step,
    microStep: step * 2,
    fingerprint: {},
    heldOutLoss: null,
    files: [{ path: 'weights', bytes: 3, sha256: sha('a') }],
  });

describe('finding checkpoints', () => {
  it('orders them by number, not by name: step 1,000,000,000 is newer than step 900', () => {
    const files = [
      listed(`${checkpointFolder(900)}/weights`),
      listed(`${checkpointFolder(1_000_000_000)}/weights`),
    ];
    expect(findCheckpoints(files).map(({ step }) => step)).toEqual([1_000_000_000, 900]);
  });

  it('takes one in the middle of a step for newer than the one of that step, and older than the next', () => {
    const folders = ['step-00000003', 'step-00000004', 'step-00000003-micro-00000007'];
    const files = folders.map((folder) => listed(`checkpoints/${folder}/weights`));
    expect(findCheckpoints(files).map(({ folder }) => folder.slice('checkpoints/'.length))).toEqual([
      'step-00000004',
      'step-00000003-micro-00000007',
      'step-00000003',
    ]);
  });

  it('overlooks everything that is no checkpoint', () => {
    const paths = [
      'latest.json',
      'checkpoints/README.md',
      'checkpoints/step-1/x',
      'old/checkpoints/step-00000001/x',
    ];
    expect(findCheckpoints(paths.map((path) => listed(path)))).toEqual([]);
  });
});

describe('the damage of a checkpoint', () => {
  const whole: CheckpointFolder = {
    folder: checkpointFolder(5),
    step: 5,
    microStep: null,
    files: [listed(`${checkpointFolder(5)}/weights`)],
  };
  const withFile = (file: ReturnType<typeof listed> | null) => ({
    ...whole,
    files: file === null ? [] : [file],
  });
  const at = `${whole.folder}/weights`;

  it.each([
    ['no manifest', whole, null, 'manifest.json'],
    ['the manifest of another step', whole, manifest(6), 'expected step 5'],
    ['a missing file', withFile(null), manifest(5), 'got no file'],
    ['a file of another size', withFile(listed(at, 4)), manifest(5), 'expected 3 bytes, got 4'],
    ['a file of another sha256', withFile(listed(at, 3, sha('b'))), manifest(5), 'expected sha256'],
  ])('is %s', (_name, folder, promised, said) => {
    expect(damageOf(folder, promised)).toContain(said);
  });

  it('is none when sizes and known sha256 agree with the manifest', () => {
    expect(damageOf(whole, manifest(5))).toBeNull();
    expect(damageOf(withFile(listed(at, 3, null)), manifest(5))).toBeNull();
  });
});

const steps = fc.uniqueArray(fc.integer({ min: 0, max: 2000 }), { minLength: 1, maxLength: 12 });
const foldersOf = (all: readonly number[]) => all.map((step) => checkpointOf(checkpointFolder(step)));
const stepsOf = (folders: readonly CheckpointFolder[]) =>
  folders.map(({ step }) => step).sort((a, b) => a - b);

describe('retention', () => {
  it('never drops one of the newest, whatever their order, and keeps as many as asked for', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (all, newest) => {
        const folders = foldersOf(all);
        const gone = new Set(dropped(folders, { newest, every: null }));
        const kept = folders.filter((folder) => !gone.has(folder)).sort(newestFirst);
        expect(kept.map(({ step }) => step)).toEqual([...all].sort((a, b) => b - a).slice(0, newest));
      }),
    );
  });

  it('keeps the best: the least held-out loss, the earlier of equals, whatever its age', () => {
    const losses = new Map([
      [10, 0.5],
      [20, 0.3],
      [30, 0.3],
      [40, 0.4],
    ]);
    const gone = dropped(foldersOf([10, 20, 30, 40, 50]), { newest: 1, every: null }, losses);
    expect(stepsOf(gone)).toEqual([10, 30, 40]);
  });

  it('keeps the first of every K steps, so that a run can be looked at along its way', () => {
    const gone = dropped(foldersOf([60, 110, 160, 210, 260, 310]), { newest: 1, every: 100 });
    expect(stepsOf(gone)).toEqual([60, 160, 260]);
  });

  it('taken after every checkpoint leaves what one look at the end would leave', () => {
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 500 }),
        (all, newest, every) => {
          const losses = new Map(all.map((step) => [step, (step * 7919) % 101] as const));
          const retention = { newest, every };
          let held: CheckpointFolder[] = [];
          for (const folder of foldersOf([...all].sort((a, b) => a - b))) {
            held.push(folder);
            const gone = dropped(held, retention, losses);
            held = held.filter((one) => !gone.includes(one));
          }
          const whole = foldersOf(all);
          const gone = dropped(whole, retention, losses);
          expect(stepsOf(held)).toEqual(stepsOf(whole.filter((one) => !gone.includes(one))));
        },
      ),
    );
  });
});

describe('what differs between two fingerprints', () => {
  it('is told field by field, with both values', () => {
    const before = { 'software.torch': '2.13.0', 'device.threads': 1, same: true };
    expect(fingerprintDifferences(before, { ...before, 'software.torch': '2.14.0' })).toEqual([
      'software.torch: "2.13.0" -> "2.14.0"',
    ]);
    expect(fingerprintDifferences(before, before)).toEqual([]);
  });
});
