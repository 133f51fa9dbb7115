"""The trainer's maths against values known from elsewhere: formulas written out by hand, and diffusers' own scheduler."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any, get_args

import pytest

from conftest import TRAINING, NoEvents
from plein_air.errors import TrainerError
from plein_air.protocol.decode import decode
from plein_air.training import health, train
from plein_air.training.fingerprint import host_capability, used_libraries
from plein_air.training.schedule import SigmaShift, learning_rate, sigma_at
from plein_air.training.settings import OptimizerName, Schedule, Training

ROOT_HALF = math.sqrt(0.5)
# Peak 1, two steps of warm-up, twelve in all: rates of the steps 0 to 12.
RATES: dict[Schedule, list[float]] = {
    "constant": [0.5, 1.0] + [1.0] * 11,
    "linear": [0.5, 1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0],
    "cosine": [
        *(0.5, 1.0, 1.0, 0.9755282581475768, 0.9045084971874737, 0.7938926261462366, 0.6545084971874737, 0.5),
        *(0.34549150281252633, 0.20610737385376354, 0.09549150281252633, 0.024471741852423234, 0.0),
    ],
    "inverse-sqrt": [
        *(0.5, 1.0, 0.816496580927726, ROOT_HALF, 0.6324555320336759, 0.5773502691896257, 0.5345224838248488, 0.5),
        *(0.47140452079103173, 0.4472135954999579, 0.42640143271122083, 0.408248290463863, 0.3922322702763681),
    ],
    "rex": [
        *(0.5, 1.0, 1.0, 0.9 / 0.95, 0.8 / 0.9, 0.7 / 0.85, 0.6 / 0.8, 0.5 / 0.75, 0.4 / 0.7, 0.3 / 0.65),
        *(0.2 / 0.6, 0.1 / 0.55, 0.0),
    ],
}


@pytest.mark.parametrize("schedule", get_args(Schedule))
def test_a_schedule_has_the_rates_of_its_table(schedule: Schedule) -> None:
    found = [learning_rate(step, peak=1, schedule=schedule, warmup_steps=2, schedule_steps=12) for step in range(13)]
    assert found == pytest.approx(RATES[schedule], abs=1e-12)


def test_a_rate_stays_what_it_is_at_the_schedules_end_and_needs_no_room_after_the_warm_up() -> None:
    late = [
        learning_rate(20, peak=1, schedule=s, warmup_steps=2, schedule_steps=12) for s in ("linear", "cosine", "rex")
    ]
    assert late == pytest.approx([0, 0, 0], abs=1e-12)
    # A warm-up as long as the schedule: the step after it is the schedule's whole way.
    assert learning_rate(5, peak=1, schedule="linear", warmup_steps=4, schedule_steps=4) == 0


def test_a_schedule_that_is_not_implemented_is_an_error_and_trains_as_no_other() -> None:
    unknown: Any = "cosine-with-restarts"
    with pytest.raises(AssertionError):
        learning_rate(5, peak=1, schedule=unknown, warmup_steps=2, schedule_steps=12)


def test_an_unknown_optimizer_distribution_or_target_is_an_error_too(small_base) -> None:
    import torch

    from plein_air.families import open_base
    from plein_air.loading import LoadOptions
    from plein_air.training.optimizer import Optimizer

    with pytest.raises(AssertionError):
        sigma_at(0.5, "beta")  # pyright: ignore[reportArgumentType]
    with pytest.raises(AssertionError):
        open_base(str(small_base), LoadOptions("fp32")).target_layers("mlp")  # pyright: ignore[reportArgumentType]
    with pytest.raises(AssertionError):
        Optimizer({"a": torch.nn.Parameter(torch.zeros(1))}, decode(Training, {**TRAINING, "optimizer": "lion"}))


@pytest.mark.parametrize(
    ("side", "factor"), [(512, 1.8776105793), (768, 2.3318610127), (1024, 3.1581929096)], ids=["512", "768", "1024"]
)
@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_noise_levels_are_shifted_by_resolution_as_the_base_samples_them(side, factor, quantile) -> None:
    """Factors of FLUX.1-dev by hand: exp(0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256))."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    config = {"use_dynamic_shifting": True, "shift": 3.0, "base_shift": 0.5, "max_shift": 1.15,
              "base_image_seq_len": 256, "max_image_seq_len": 4096}  # fmt: skip
    tokens = (side // 16) ** 2
    mu = 0.5 + 0.65 * (tokens - 256) / 3840
    assert math.exp(mu) == pytest.approx(factor, rel=1e-6)
    sigma = sigma_at(quantile, "logit-normal")
    found = SigmaShift.from_scheduler(config).apply(sigma, tokens)
    assert found == pytest.approx(factor * sigma / (1 + (factor - 1) * sigma), rel=1e-6)
    theirs = FlowMatchEulerDiscreteScheduler(**config).time_shift(mu, 1.0, sigma)  # pyright: ignore[reportArgumentType]
    assert found == pytest.approx(float(theirs), rel=1e-9)


def test_a_samples_noise_level_depends_on_its_size() -> None:
    from plein_air.training.step_rng import sigma_of

    config = {"use_dynamic_shifting": True}
    training, shift = decode(Training, TRAINING), SigmaShift.from_scheduler(config)
    small, large = (sigma_of(training, 3, 0, "a", shift, tokens) for tokens in (256, 4096))
    odds = small / (1 - small)
    assert large / (1 - large) == pytest.approx(odds * math.exp(1.15 - 0.5))


def test_noise_levels_follow_their_distributions() -> None:
    assert sigma_at(0.3, "uniform") == 0.3
    # The normal distribution's quantiles 0.5 and 0.8413447460685429 are 0 and 1.
    assert sigma_at(0.5, "logit-normal") == pytest.approx(0.5)
    assert sigma_at(0.8413447460685429, "logit-normal") == pytest.approx(1 / (1 + math.exp(-1)))


P0, G1, G2 = [0.5, -0.25, 0.1], [0.2, -0.1, 0.4], [-0.3, 0.2, 0.1]


def optimized(name: OptimizerName, gradients: list[list[float]], **settings: Any) -> list[float]:
    """The parameters after one update a gradient."""
    import torch

    from plein_air.training.optimizer import Optimizer

    training = decode(Training, {**TRAINING, "optimizer": name, **settings})
    # 8 bit moments are for tensors of 4096 values and more.
    count = 4096 if name == "adamw-8bit" else 3
    repeat = -(-count // 3)
    parameter = torch.nn.Parameter(torch.tensor(P0 * repeat)[:count].clone())
    optimizer = Optimizer({"a": parameter}, training)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient * repeat)[:count].clone()
        optimizer.step(training.learning_rate)
    return parameter.detach()[:3].tolist()


def adamw(gradients: list[list[float]], rate: float, decay: float) -> list[float]:
    """AdamW as Loshchilov and Hutter have it, in plain numbers."""
    found: list[float] = []
    for index, value in enumerate(P0):
        m = v = 0.0
        for t, gradient in enumerate(gradients, 1):
            g = gradient[index]
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            value = value * (1 - rate * decay)
            value -= rate * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        found.append(value)
    return found


@pytest.mark.parametrize(("name", "tolerance"), [("adamw", 1e-6), ("adamw-8bit", 2e-3)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_updates_of_adamw_are_those_of_its_formula(name, tolerance, decay) -> None:
    found = optimized(name, [G1, G2], learningRate=0.1, weightDecay=decay)
    assert found == pytest.approx(adamw([G1, G2], 0.1, decay), abs=tolerance)


def test_the_first_update_of_prodigy_is_that_of_its_formula() -> None:
    """ArXiv 2306.06101 with d0 = 1e-6: the first step is Adam's of a rate d, the decay decoupled."""
    found = optimized("prodigy", [G1], learningRate=1, weightDecay=0.1)
    d = 1e-6
    expected = []
    for value, g in zip(P0, G1, strict=True):
        m, v = 0.1 * d * g, 0.001 * d * d * g * g
        value -= 0.1 * d * value
        expected.append(value - d * m / (math.sqrt(v) + d * 1e-8))
    assert found == pytest.approx(expected, abs=1e-7)


def test_gradients_are_unscaled_and_clipped_to_the_limit() -> None:
    import torch

    from plein_air.training.optimizer import Optimizer

    parameters = {name: torch.nn.Parameter(torch.zeros(1)) for name in "ab"}
    optimizer = Optimizer(parameters, decode(Training, TRAINING))
    for scale, limit, expected in ((1.0, 0, (3.0, 4.0)), (8.0, 1, (0.6, 0.8)), (1.0, 10, (3.0, 4.0))):
        for parameter, value in zip(parameters.values(), (3.0, 4.0), strict=True):
            parameter.grad = torch.tensor([value * scale])
        assert optimizer.clip(limit, scale) == pytest.approx(5)
        found = [float(p.grad) for p in parameters.values() if p.grad is not None]
        assert found == pytest.approx(expected, rel=1e-5)


def test_the_average_moves_towards_the_parameters_by_its_warmed_up_decay(train_params, tmp_path) -> None:
    """After updates u the average is average + (1 - min(ema, (1 + u) / (10 + u))) (parameter - average)."""
    from plein_air.tensor_file import read_tensors
    from plein_air.training.adapter import FILE

    def tensors(step: int, file: str) -> dict[str, Any]:
        return read_tensors(tmp_path / "out" / f"step-{step:08d}" / file)

    training = {**train_params["training"], "steps": 2, "scheduleSteps": 2, "checkpointEvery": 1, "ema": 0.9}
    train.run({**train_params, "training": training}, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    first, second = tensors(1, "ema.safetensors"), tensors(2, "ema.safetensors")
    for name, parameter in tensors(2, FILE).items():
        expected = first[name] + (1 - 3 / 12) * (parameter - first[name])
        assert second[name].allclose(expected, atol=1e-7), name


def test_the_loss_of_a_fixed_batch_is_that_of_the_formula(small_base, dataset, cache) -> None:
    """The mean over tokens and channels of (v - (noise - x0))², v being the transformer's answer to what diffusers would ask."""
    import torch

    from plein_air.dataset.choices import Choice
    from plein_air.encoding.store import Store
    from plein_air.families import open_base
    from plein_air.loading import LoadOptions
    from plein_air.training.objective import Objective, noise_for
    from plein_air.training.samples import Samples

    base = open_base(str(small_base), LoadOptions("fp32"))
    samples = Samples(str(dataset), "train", Store(cache), base)
    picture = next(p for p in samples.pictures.values() if (p.width, p.height) == (64, 64))
    batch = samples.batch([Choice(picture.id)])
    noise = noise_for((16, 64), 5, "fixed")[None]
    ids = torch.tensor([[0.0, row, column] for row in range(4) for column in range(4)])
    with torch.no_grad():
        found = Objective(base.velocity(3.5)).losses(batch, [0.25], noise)
        answer = base.transformer()(
            hidden_states=0.75 * batch.latents + 0.25 * noise,
            timestep=torch.tensor([0.25]),
            guidance=torch.tensor([3.5]),
            pooled_projections=batch.pooled,
            encoder_hidden_states=batch.sequence,
            txt_ids=torch.zeros(batch.sequence.shape[1], 3),
            img_ids=ids,
        ).sample
    expected = float((answer - (noise - batch.latents)).double().square().mean())
    assert found.tolist() == pytest.approx([expected], rel=1e-6)


def test_a_checkpoint_of_another_run_under_the_same_step_is_replaced(train_params, tmp_path) -> None:
    """The folder that is there is whole: only its manifest says that it is another run's."""
    from plein_air.training.checkpoint import read_manifest

    def trained(seed: int) -> dict[str, Any]:
        training = {**train_params["training"], "steps": 1, "scheduleSteps": 1, "seed": seed}
        request = {**train_params, "out": str(tmp_path / "shared"), "training": training}
        return train.run(request, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]

    first, second = trained(1), trained(2)
    assert first["checkpoint"] == second["checkpoint"]
    files = {file["path"]: file["sha256"] for file in read_manifest(Path(second["checkpoint"]))["files"]}
    assert files["pytorch_lora_weights.safetensors"] == second["adapterSha256"] != first["adapterSha256"]


def test_a_host_beside_a_gpu_counts_by_what_decides_bytes() -> None:
    assert host_capability("cuda", "AVX2") == host_capability("cuda", "AVX512") == "AVX2 or newer"
    assert host_capability("cuda", "DEFAULT") == "DEFAULT"
    assert host_capability("cpu", "AVX2") != host_capability("cpu", "AVX512")


@pytest.mark.parametrize(
    ("settings", "libraries"),
    [
        ({}, []),
        ({"quantization": "nf4"}, ["bitsandbytes"]),
        ({"quantization": "int8", "optimizer": "adamw-8bit"}, ["bitsandbytes", "torchao"]),
        ({"quantization": "fp8", "optimizer": "prodigy"}, ["torchao", "prodigyopt"]),
    ],
)
def test_the_fingerprint_has_the_libraries_that_the_settings_use(settings, libraries) -> None:
    assert used_libraries(decode(Training, {**TRAINING, **settings})) == libraries


def test_measuring_in_slices_measures_the_same_loss(small_base, dataset, cache) -> None:
    from plein_air.encoding.store import Store
    from plein_air.families import open_base
    from plein_air.loading import LoadOptions
    from plein_air.training.held_out import HeldOut
    from plein_air.training.objective import Objective
    from plein_air.training.samples import Samples

    base = open_base(str(small_base), LoadOptions("fp32"))
    samples = Samples(str(dataset), "held_out", Store(cache), base)
    sizes: list[int] = []

    class Counting(Objective):
        def losses(self, batch: Any, sigmas: list[float], noise: Any) -> Any:
            sizes.append(len(sigmas))
            return super().losses(batch, sigmas, noise)

    shift = SigmaShift.from_scheduler(base.scheduler_config())
    found = [HeldOut(samples, Counting(base.velocity(1.0)), shift, size).measure() for size in (8, 3, 1)]
    assert found == pytest.approx([found[0]] * 3, rel=1e-6)
    assert max(sizes[3:12]) == 3
    assert sizes[12:] == [1] * 24


def test_an_exploding_norm_is_named(tmp_path) -> None:
    with pytest.raises(TrainerError, match="finite gradient norm"):
        health.check_gradient(3, math.nan, [])
