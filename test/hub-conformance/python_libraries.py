"""Drives datasets and diffusers, unmodified, against a local Hub; run by python-clients.test.ts."""

import io
import tempfile
from pathlib import Path

import datasets
import huggingface_hub as hh
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from cases import run_cases
from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image

torch.set_num_threads(1)
api = hh.HfApi()


def parquet_dataset(repo: str) -> None:
    """Puts two shards of a tiny parquet dataset into a repo."""
    api.create_repo(repo, repo_type="dataset", exist_ok=True)
    for shard in range(2):
        table = pa.table(
            {"n": [shard * 10 + index for index in range(10)], "text": [f"t{index}" for index in range(10)]}
        )
        sink = io.BytesIO()
        pq.write_table(table, sink)
        name = f"data/train-0000{shard}-of-00002.parquet"
        api.upload_file(repo_id=repo, repo_type="dataset", path_or_fileobj=sink.getvalue(), path_in_repo=name)


def load_dataset_of_parquet() -> None:
    parquet_dataset("painter/shards")
    loaded = datasets.load_dataset("painter/shards", split="train")
    assert loaded["n"][:] == list(range(20))


def load_dataset_streaming() -> None:
    parquet_dataset("painter/stream")
    streamed = datasets.load_dataset("painter/stream", split="train", streaming=True)
    assert [row["n"] for row in streamed.skip(5).take(10)] == list(range(5, 15))


def push_images_and_load_them_back() -> None:
    pictures = [Image.new("RGB", (32, 32), (index * 40, 10, 200)) for index in range(4)]
    made = datasets.Dataset.from_dict({"image": pictures, "style": [0, 1, 0, 1]})
    made = made.cast_column("image", datasets.Image())
    made.push_to_hub("painter/pictures")
    made.push_to_hub("painter/pictures", split="test")
    back = datasets.load_dataset("painter/pictures")
    assert set(back) == {"train", "test"}
    assert back["train"][2]["image"].getpixel((0, 0)) == (80, 10, 200)


def load_an_image_folder() -> None:
    repo = "painter/imagefolder"
    api.create_repo(repo, repo_type="dataset")
    with tempfile.TemporaryDirectory() as folder:
        for index in range(3):
            Image.new("RGB", (16, 16), (0, index * 50, 0)).save(Path(folder, f"{index}.png"))
        lines = [f'{{"file_name": "{index}.png", "text": "green {index}"}}' for index in range(3)]
        Path(folder, "metadata.jsonl").write_text("\n".join(lines))
        api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder, path_in_repo="train")
    rows = datasets.load_dataset(repo, split="train")
    assert sorted(rows["text"][:]) == ["green 0", "green 1", "green 2"]


def tiny_vae() -> AutoencoderKL:
    """A VAE of some thousand weights."""
    return AutoencoderKL(
        block_out_channels=(8,), norm_num_groups=4, latent_channels=4, down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",), layers_per_block=1,
    )  # fmt: skip


def tiny_flux() -> FluxTransformer2DModel:
    """A FLUX transformer of one block of each kind."""
    return FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip


def push_and_load_a_diffusers_model() -> None:
    vae = tiny_vae()
    with tempfile.TemporaryDirectory() as folder:
        vae.save_pretrained(f"{folder}/vae", repo_id="painter/base", push_to_hub=True)
        api.upload_folder(repo_id="painter/base", folder_path=folder)
    back = AutoencoderKL.from_pretrained("painter/base", subfolder="vae")
    for name, value in vae.state_dict().items():
        assert torch.equal(value, back.state_dict()[name]), name


def load_lora_weights_at_a_tag() -> None:
    flux = tiny_flux()
    flux.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q"], init_lora_weights="gaussian"))
    weights = get_peft_model_state_dict(flux)
    api.create_repo("painter/lora")
    with tempfile.TemporaryDirectory() as folder:
        FluxPipeline.save_lora_weights(folder, transformer_lora_layers=weights)
        api.upload_folder(repo_id="painter/lora", folder_path=folder)
    api.create_tag("painter/lora", tag="production")
    loaded = FluxPipeline.lora_state_dict("painter/lora", revision="production")
    assert len(loaded) == len(weights)
    plain = tiny_flux()
    plain.load_lora_adapter("painter/lora", weight_name="pytorch_lora_weights.safetensors", revision="production")
    assert "default_0" in plain.peft_config


def a_whole_pipeline_with_lora_weights() -> None:
    base = Path(__file__).parents[2] / "gpu-worker" / "tiny-base"
    api.create_repo("painter/tiny-flux")
    api.upload_folder(repo_id="painter/tiny-flux", folder_path=base)
    pipe = FluxPipeline.from_pretrained("painter/tiny-flux")
    pipe.set_progress_bar_config(disable=True)

    def paint(seed: int = 3) -> torch.Tensor:
        return pipe(
            "a harbour at dawn", height=64, width=64, num_inference_steps=1, output_type="pt",
            generator=torch.Generator().manual_seed(seed),
        ).images  # fmt: skip

    plain = paint()
    config = LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
    pipe.transformer.add_adapter(config)
    taught = paint()
    weights = get_peft_model_state_dict(pipe.transformer)
    api.create_repo("painter/tiny-lora", private=True)
    with tempfile.TemporaryDirectory() as folder:
        FluxPipeline.save_lora_weights(folder, transformer_lora_layers=weights)
        api.upload_folder(repo_id="painter/tiny-lora", folder_path=folder)
    pipe.transformer.delete_adapters("default")
    assert torch.equal(paint(), plain)
    pipe.load_lora_weights("painter/tiny-lora")
    assert torch.equal(paint(), taught)
    assert not torch.equal(taught, plain)


def stream_images_and_push_them_again() -> None:
    pictures = [Image.new("RGB", (16, 16), (index, 0, 0)) for index in range(6)]
    made = datasets.Dataset.from_dict({"image": pictures}).cast_column("image", datasets.Image())
    made.push_to_hub("painter/streamed", private=True, num_shards=2)
    streamed = datasets.load_dataset("painter/streamed", split="train", streaming=True)
    assert [row["image"].getpixel((0, 0))[0] for row in streamed] == list(range(6))
    small = streamed.map(lambda row: {"image": row["image"].resize((8, 8))}, features=streamed.features)
    small.push_to_hub("painter/streamed-small")
    back = datasets.load_dataset("painter/streamed-small", split="train")
    assert [row["image"].size for row in back] == [(8, 8)] * 6


CASES = [
    load_dataset_of_parquet,
    load_dataset_streaming,
    push_images_and_load_them_back,
    load_an_image_folder,
    push_and_load_a_diffusers_model,
    load_lora_weights_at_a_tag,
    a_whole_pipeline_with_lora_weights,
    stream_images_and_push_them_again,
]

if __name__ == "__main__":
    run_cases(CASES)
