"""What ends a training or keeps it from going on: other fingerprints, sick figures, early stopping."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NoEvents
from plein_air.errors import TrainerError
from plein_air.training import health, train
from plein_air.training.early_stopping import should_stop
from plein_air.training.fingerprint import check_same


def run(params: dict[str, Any], events: NoEvents | None = None) -> dict[str, Any]:
    return train.run(params, events or NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]


def settings(params: dict[str, Any], out: Path, **changes: Any) -> dict[str, Any]:
    return {**params, "out": str(out), "training": {**params["training"], **changes}}


def test_every_field_of_the_fingerprint_is_refused_by_name_when_it_differs(whole_run):
    saved = json.loads((Path(whole_run["checkpoint"]) / "state.json").read_text())["fingerprint"]
    assert {"training.seed", "dataset.commit", "base.commit", "software.torch", "device.threads"} <= saved.keys()
    for field, value in saved.items():
        changed = {**saved, field: f"not {value}"}
        with pytest.raises(TrainerError) as caught:
            check_same(saved, changed, ())
        assert caught.value.details["differences"] == {field: {"checkpoint": value, "now": f"not {value}"}}
        assert f"{field}: {value!r} -> " in str(caught.value)
        assert check_same(saved, changed, (field,)) == [field]
        with pytest.raises(TrainerError, match="got another: 1 -> None"):
            check_same({**saved, "another": 1}, changed, (field,))


def test_all_differing_fields_are_named_at_once_and_accepting_them_is_written_into_every_later_checkpoint(
    train_params, whole_run, tmp_path
):
    start = run(settings({**train_params, "stopAtStep": 2}, tmp_path / "start"))
    other = {"weightDecay": 0.5, "gradientClip": 2}
    params = {**settings(train_params, tmp_path / "on", **other), "resumeFrom": start["checkpoint"]}
    params["datasetCommit"] = "e" * 40
    with pytest.raises(TrainerError) as caught:
        run(params)
    fields = ["dataset.commit", "training.gradientClip", "training.weightDecay"]
    assert list(caught.value.details["differences"]) == fields
    with pytest.raises(TrainerError):
        run({**params, "acceptDifferences": fields[:2]})
    done = run({**params, "acceptDifferences": fields})
    assert done["acceptedDifferences"] == fields
    assert json.loads((Path(done["checkpoint"]) / "manifest.json").read_text())["acceptedDifferences"] == fields
    assert whole_run["acceptedDifferences"] == []


@pytest.mark.parametrize("field", ["steps", "checkpointEvery", "heldOutEvery", "sampleEvery"])
def test_when_to_stop_save_and_measure_may_change_between_attempts(train_params, tmp_path, field):
    start = run(settings({**train_params, "stopAtStep": 2}, tmp_path / "start"))
    params = settings(train_params, tmp_path / "on", **{field: 4})
    run({**params, "resumeFrom": start["checkpoint"], "stopAtStep": 3})


def test_a_base_that_predicts_nan_ends_the_training_and_leaves_the_checkpoint_before_it(
    train_params, tmp_path, monkeypatch
):
    from plein_air.training.objective import Objective

    plain = Objective.losses
    calls = []

    def sick(self: Objective, *args: Any) -> Any:
        import torch

        losses = plain(self, *args)
        calls.append(torch.is_grad_enabled())
        return losses * float("nan") if sum(calls) > 6 else losses

    monkeypatch.setattr(Objective, "losses", sick)
    with pytest.raises(TrainerError, match="finite loss, got nan") as caught:
        run(settings(train_params, tmp_path))
    assert caught.value.kind == "Diverged"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("step-")] == ["step-00000002"]


def test_an_adapter_without_effect_ends_the_training(train_params, tmp_path, monkeypatch):
    from plein_air.training.optimizer import Optimizer

    monkeypatch.setattr(Optimizer, "step", lambda self, rate: None)
    with pytest.raises(TrainerError, match=f"effect after {health.DEAD_AFTER} steps"):
        run(settings(train_params, tmp_path, steps=12, scheduleSteps=12))


@given(st.lists(st.floats(0.1, 10), min_size=health.WINDOW, max_size=40))
def test_gradients_of_one_size_never_count_as_an_explosion_and_three_huge_ones_do(norms):
    recent: list[float] = []
    for norm in norms:
        health.check_gradient(1, norm, recent)
        recent = health.remember(norm, recent)
    for _ in range(2):
        health.check_gradient(1, 1e6, recent)
        recent = health.remember(1e6, recent)
    with pytest.raises(TrainerError, match="gradient norm near"):
        health.check_gradient(1, 1e6, recent)


def test_early_stopping_wants_both_a_risen_loss_and_risen_copying_again_and_again():
    good = [(1, 1.0, 0.0), (2, 0.8, 0.1), (3, 0.7, 0.1)]
    risen, copying = (0.75, 0.2), (0.8, 0.3)
    assert should_stop([*good, (4, *risen), (5, *copying)], 2)
    assert not should_stop([*good, (4, *risen)], 2)
    assert not should_stop([*good, (4, 0.75, 0.05), (5, *copying)], 2)
    assert not should_stop([*good, (4, 0.65, 0.2), (5, *copying)], 2)
    assert not should_stop([*good, (4, *risen), (5, *copying)], 0)


def test_a_training_that_has_begun_to_copy_ends_early_and_stays_ended(train_params, tmp_path, monkeypatch):
    from plein_air.training.held_out import HeldOut
    from plein_air.training.validation_images import ValidationImages

    figures = iter([1.0, 0.5, 0.5, 0.4, 0.4, 0.6, 0.6, 0.7, 0.7, 0.8, 0.8])
    copying = iter([0.0, 0.1, 0.2, 0.3, 0.4])
    monkeypatch.setattr(HeldOut, "measure", lambda self, on_picture: next(figures))
    monkeypatch.setattr(ValidationImages, "copying", lambda self: next(copying))
    events = NoEvents()
    early = settings(train_params, tmp_path, heldOutEvery=1, sampleEvery=1, earlyStopping=2)
    done = run(early, events)
    assert (done["outcome"], done["step"]) == ("early", 4)
    assert len(events.samples) == 4
    assert all(Path(sample["path"]).is_file() for sample in events.samples)
    again = run({**early, "out": str(tmp_path / "again"), "resumeFrom": done["checkpoint"]})
    assert (again["outcome"], again["adapterSha256"]) == ("early", done["adapterSha256"])


def test_the_gap_between_held_out_and_learnt_pictures_is_measured_with_the_held_out_loss(train_params, tmp_path):
    events = NoEvents()
    run(settings(train_params, tmp_path), events)
    measured = [values for _, values in events.metrics if "heldOutLoss" in values]
    assert [step for step, values in events.metrics if "heldOutLoss" in values] == [0, 3, 6]
    assert all(v["generalisationGap"] == v["heldOutLoss"] - v["learntLoss"] for v in measured)
    # Learning by heart shows: pictures of noise can be learnt in no other way.
    assert measured[-1]["learntLoss"] < measured[0]["learntLoss"]


def test_early_stopping_without_strips_is_refused_before_anything_is_loaded(train_params, tmp_path):
    with pytest.raises(TrainerError, match="sampleEvery: expected a multiple of heldOutEvery"):
        run(settings(train_params, tmp_path, earlyStopping=2, sampleEvery=4))


def test_validation_images_that_fail_are_logged_and_change_no_byte_of_the_adapter(
    train_params, whole_run, tmp_path, monkeypatch, capsys
):
    from plein_air.training.validation_images import ValidationImages

    def broken(self: ValidationImages, step: int, on_progress: Any) -> Any:
        raise RuntimeError(f"no image at {step}")

    monkeypatch.setattr(ValidationImages, "generate", broken)
    events = NoEvents()
    done = run(settings(train_params, tmp_path, sampleEvery=2), events)
    assert (done["outcome"], done["adapterSha256"]) == ("done", whole_run["adapterSha256"])
    assert [step for step, values in events.metrics if "validationImagesFailed" in values] == [2, 4, 6]
    assert "validation images of step 2 failed (RuntimeError: no image at 2)" in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_written_during_validation_images_is_an_error(train_params, tmp_path, monkeypatch):
    from plein_air.training.trainer import Trainer

    def full(self: Trainer) -> None:
        raise TrainerError("Internal", "the disk is full")

    monkeypatch.setattr(Trainer, "_save_if_requested", lambda self: full(self) if self.state.step == 2 else None)
    with pytest.raises(TrainerError, match="the disk is full"):
        run(settings(train_params, tmp_path, sampleEvery=2))
