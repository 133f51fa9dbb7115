import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { TINY_BASE } from '../../src/config/paths.ts';

/** As a trained one looks: by diffusers' own hand, with its header. */
const SCRIPT = `
import sys, torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from peft import LoraConfig, get_peft_model_state_dict
torch.manual_seed(0)
model = FluxTransformer2DModel.from_pretrained(sys.argv[1], subfolder="transformer")
config = LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"], init_lora_weights=False)
model.add_adapter(config)
FluxPipeline.save_lora_weights(
    sys.argv[2],
    transformer_lora_layers=get_peft_model_state_dict(model),
    transformer_lora_adapter_metadata=config.to_dict(),
)
`;

/** A small adapter of the tiny base with an effect that can be seen, written into `folder` too. */
export async function tinyAdapter(python: string, folder: string): Promise<Buffer> {
  await execa(python, ['-c', SCRIPT, TINY_BASE, folder], { env: { OMP_NUM_THREADS: '1' } });
  return readFile(join(folder, 'pytorch_lora_weights.safetensors'));
}
