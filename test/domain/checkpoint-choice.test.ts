import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CheckpointManifest, checkpointFolder } from '../../src/domain/checkpoint.ts';
import {
  type CheckpointFolder,
  checkpointOf,
  damageOf,
  dropped,
  findCheckpoints,
  newestFirst,
} from '../../src/domain/checkpoint-choice.ts';

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

describe('retention', () => {
  it('never drops one of the newest, whatever their order, and keeps as many as asked for', () => {
    const steps = fc.uniqueArray(fc.integer({ min: 0, max: 99_999_999 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (all, keep) => {
        const folders = all.map((step) => checkpointOf(checkpointFolder(step)));
        const gone = new Set(dropped(folders, keep));
        const kept = folders.filter(({ folder }) => !gone.has(folder)).sort(newestFirst);
        expect(kept.map(({ step }) => step)).toEqual([...all].sort((a, b) => b - a).slice(0, keep));
      }),
    );
  });
});
