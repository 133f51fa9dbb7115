"""Compiled blocks serve every picture size, or the training says that they do not; measuring compiles nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._dynamo import config

from conftest import NoEvents
from plein_air.errors import TrainerError
from plein_air.families.flux1.transformer import blocks_of
from plein_air.training import optimizations, train
from plein_air.training.held_out import HeldOut

SIZES = 10
"""More than PyTorch compiles unless it is told to."""
BLOCKS = 3


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Calls that compiled code served, by the number of its graph; PyTorch's tracing is real, the code it makes is not."""
    served: list[int] = []
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        number = len(graphs)

        def run(*args: Any) -> Any:
            served.append(number)
            return graph.forward(*args)

        return run

    monkeypatch.setattr(optimizations, "_BACKEND", backend)
    torch._dynamo.reset()
    before = (config.recompile_limit, config.fail_on_recompile_limit_hit)
    yield served
    config.recompile_limit, config.fail_on_recompile_limit_hit = before
    torch._dynamo.reset()


def transformer() -> Any:
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(0)
    model = FluxTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    assert len(blocks_of(model)) == BLOCKS
    return model


def forward(model: Any, tokens: int) -> torch.Tensor:
    return model(
        hidden_states=torch.ones(1, tokens, 64), encoder_hidden_states=torch.ones(1, 4, 32),
        pooled_projections=torch.ones(1, 32), timestep=torch.ones(1), guidance=torch.ones(1),
        img_ids=torch.zeros(tokens, 3), txt_ids=torch.zeros(4, 3), return_dict=False,
    )[0]  # fmt: skip


def test_every_size_of_picture_runs_compiled_also_when_a_backward_pass_computes_it_again(calls: list[int]) -> None:
    model = transformer()
    optimizations._compile(blocks_of(model))
    model.enable_gradient_checkpointing(optimizations._checkpoint)

    def train_all() -> None:
        for tokens in range(4, 4 + SIZES):
            calls.clear()
            forward(model, tokens).sum().backward()
            # Once on the way forward, once when it is computed again.
            assert len(calls) == 2 * BLOCKS, f"size {tokens}"

    # PyTorch's settings are a thread's own: none of this one's may be needed.
    failed: list[BaseException] = []
    thread = threading.Thread(target=lambda: _caught(train_all, failed))
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _caught(work: Any, failed: list[BaseException]) -> None:
    try:
        work()
    except BaseException as error:
        failed.append(error)


def test_too_many_variants_end_with_what_to_do(calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizations, "_VARIANTS", 3)
    model = transformer()
    optimizations._compile(blocks_of(model))
    with pytest.raises(TrainerError, match=r"at most 3 compiled variants .* training.compile to false"):
        for tokens in range(4, 4 + SIZES):
            forward(model, tokens)
    assert len(calls) > 0


def test_what_is_measured_is_not_compiled_and_what_is_trained_is(
    calls: list[int], train_params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    plain = HeldOut.measure

    def counted(self: HeldOut, *args: Any) -> float:
        before = len(calls)
        loss = plain(self, *args)
        measured.append(len(calls) - before)
        return loss

    monkeypatch.setattr(HeldOut, "measure", counted)
    training = {**train_params["training"], "compile": True, "sampleEvery": 3}
    train.run({**train_params, "training": training}, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    assert measured and not any(measured)
    micro_steps = training["steps"] * training["accumulation"]
    assert len(calls) >= micro_steps * BLOCKS
