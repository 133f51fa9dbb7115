import { describe, expect, it } from '@jest/globals';
import { HARDWARE, type ReleaseSize, sizeProblems } from '../../src/domain/release/release-limits.ts';
import { differences } from '../../src/releases/compare.ts';
import { kohyaProblems, refuseUnreadableExport, tensorNames } from '../../src/releases/kohya-names.ts';
import { kohyaInTest } from '../activities/run-in-test.ts';

describe('the kohya export', () => {
  it('has names that ComfyUI and sd-scripts look for', () => {
    expect(kohyaProblems(tensorNames(kohyaInTest()))).toEqual([]);
    for (const layer of [
      'single_blocks_37_linear2',
      'double_blocks_18_txt_mod_lin',
      'single_blocks_0_modulation_lin',
    ])
      expect(kohyaProblems(tensorNames(kohyaInTest(`lora_unet_${layer}`)))).toEqual([]);
  });

  it('is refused with names of diffusers, of another model, or with a part missing', () => {
    expect(kohyaProblems(['transformer.transformer_blocks.0.attn.to_q.lora_A.weight'])).toHaveLength(1);
    expect(kohyaProblems(tensorNames(kohyaInTest('lora_unet_double_blocks_0_img_attn_q')))).toHaveLength(1);
    expect(kohyaProblems(['lora_unet_single_blocks_0_linear1.lora_down.weight'])).toEqual([
      'lora_unet_single_blocks_0_linear1 lacks lora_up.weight',
      'lora_unet_single_blocks_0_linear1 lacks alpha',
    ]);
    expect(() => refuseUnreadableExport('x', Buffer.alloc(4000, 7))).toThrow('safetensors');
  });
});

describe('the size of a release', () => {
  const fits: ReleaseSize = {
    files: [{ path: 'pytorch_lora_weights.safetensors', bytes: 538e6 }],
    baseBytes: 33.7e9,
    adapterBytes: 538e6,
    hardware: 'zero-a10g',
    served: true,
  };

  it('fits for FLUX.1-dev and an ordinary adapter on ZeroGPU', () => {
    expect(sizeProblems(fits)).toEqual([]);
  });

  it('does not fit on two CPU cores, with a huge file, or with more files than a commit takes', () => {
    expect(sizeProblems({ ...fits, hardware: 'cpu-basic' })[0]).toContain('memory of cpu-basic');
    expect(sizeProblems({ ...fits, files: [{ path: 'a.safetensors', bytes: 51e9 }] })[0]).toContain(
      '51.0 GB',
    );
    const many = Array.from({ length: 101 }, (_, i) => ({ path: `${i}.png`, bytes: 1 }));
    expect(sizeProblems({ ...fits, files: many })[0]).toContain('101');
  });

  it('may be as large as the Hub takes where no Space serves it', () => {
    expect(sizeProblems({ ...fits, hardware: 'cpu-basic', served: false })).toEqual([]);
    expect(HARDWARE['cpu-basic'].deviceBytes).toBeNull();
  });
});

describe('two releases compared', () => {
  it('differ in every leaf that differs, and in nothing else', () => {
    expect(differences({ a: 1, b: { c: 'x', d: [1, 2] } }, { a: 1, b: { c: 'y', d: [1] }, e: true })).toEqual(
      [
        { field: 'b.c', left: 'x', right: 'y' },
        { field: 'b.d', left: '[1,2]', right: '[1]' },
        { field: 'e', left: null, right: true },
      ],
    );
  });
});
