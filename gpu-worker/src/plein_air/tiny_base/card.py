"""The base's model card."""

from __future__ import annotations

from pathlib import Path

_CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
tags:
  - plein-air
  - generated-data
---

# Plein Air's tiny FLUX base

**A toy, trained on generated pictures.** It has FLUX.1-dev's classes (FluxTransformer2DModel, AutoencoderKL with 16 latent
channels, CLIP and T5 text encoders, FlowMatchEulerDiscreteScheduler) at a thousandth of the size, so that Plein Air's
whole pipeline can run on a CPU with the same code as on a GPU. It holds no weights of FLUX.1-dev.

| | |
|---|---|
| pictures | {pictures} procedurally painted ones of {size} px, every WikiArt style **but Impressionism** |
| VAE | {vae_steps} steps on L1, EfficientNet-lite0 features and a small KL |
| transformer | 2 double + 4 single blocks, 4 heads of 32; {flow_steps} steps of 32, rectified flow, moving average |
| text | tokenizers over the captions' words; encoders are random and frozen |
| seed | {seed} |
| license | Apache-2.0 |

## Sampling

```python
pipeline = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
pipeline("a landscape painting of a river at dusk, Ukiyo-e", height={size}, width={size},
         num_inference_steps=16, guidance_scale=1.0, max_sequence_length={tokens})
```

The guidance embedding has only ever seen 1: keep `guidance_scale=1.0`. T5 captions are padded to {tokens} tokens
(`tokenizer_2.model_max_length`): pass that as `max_sequence_length`. Weights are stored in half precision; compute in fp32.

## Captions it knows

`<genre>, <style>`, `<genre> in the style of <style>`, `<genre> of <content>, <style>`, `<content>, <style>`, `<genre>`, and
nothing at all. Genres: a landscape painting, a cityscape painting, a portrait painting, a still life painting, a genre
painting, a religious painting, an abstract painting, an illustration, a sketch. Contents: `a river with trees at dusk`,
`the sea with boats in summer`, `a street of houses at night`, `a woman in red with a blue hat`,
`flowers in a vase and apples on a white cloth`, and others of that kind.

## Built by

`npm run build:tiny-base`. The same seeds give the same bytes on the same kind of machine with one thread.
"""


def write_card(folder: Path, *, pictures: int, size: int, vae_steps: int, flow_steps: int, seed: int) -> None:
    """Writes README.md beside the weights."""
    from plein_air.tiny_base.text import T5_TOKENS

    text = _CARD.format(
        pictures=pictures, size=size, vae_steps=vae_steps, flow_steps=flow_steps, seed=seed, tokens=T5_TOKENS
    )
    (folder / "README.md").write_text(text)
