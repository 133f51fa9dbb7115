"""The verb `assess`: what a finished study's figures say beyond its best trial."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from plein_air.tuning.ask import Ask, report_at
from plein_air.tuning.space import Space

MIN_TRIALS = 4
"""Trials with figures below which no importance is claimed."""


def run(params: dict[str, Any], emit: Any = None, stop: threading.Event | None = None) -> dict[str, Any]:
    """Importances, certainty of the choice, and whether early figures foretold the late ones."""
    del emit, stop
    warnings.filterwarnings("ignore", message=".*is experimental")
    trials = sorted(params["trials"], key=lambda trial: int(trial["number"]))
    return {
        "importances": _importances(Space.of(params["space"], params["defaults"]), trials),
        "certainty": _certainty(params["confirmations"], params["chosen"]),
        "rankAgreement": _rank_agreement(trials),
    }


def _importances(space: Space, trials: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """PED-ANOVA of the first goal at the study's fidelity; fields that decide whether a trial is good come first."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    ask = Ask(space, trials, len(trials), 1, 0)
    first = [{**t, "reports": [{**r, "values": r["values"][:1]} for r in t["reports"]]} for t in trials]
    with_figures = [trial for trial in first if report_at(trial, ask.fidelity)]
    if len(with_figures) < MIN_TRIALS or len(space.dimensions) == 0:
        return []
    study = ask.optuna_study(optuna.samplers.RandomSampler(seed=0), ask.history(with_figures))
    found = optuna.importance.get_param_importances(
        study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.25, evaluate_on_local=True), normalize=True
    )
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [{"field": name, "importance": float(value)} for name, value in ordered if math.isfinite(value)]


def _certainty(confirmations: Sequence[Mapping[str, Any]], chosen: int) -> list[dict[str, Any]]:
    """The chosen trial against each rival over the seeds that both were trained with.

    Seeds pair them, so that a seed which is hard for all does not count as noise. The probability that the chosen one is
    better is Student's, of the mean of the differences, with a flat prior.
    """
    import numpy as np
    from scipy.stats import t as student

    values: dict[int, dict[int, float]] = {}
    for c in confirmations:
        if c["value"] is not None:
            values.setdefault(int(c["trial"]), {})[int(c["seed"])] = float(c["value"])
    own = values.get(chosen, {})
    rivals: list[dict[str, Any]] = []
    for rival in sorted(values.keys() - {chosen}):
        shared = sorted(own.keys() & values[rival].keys())
        if not shared:
            continue
        differences = np.array([values[rival][seed] - own[seed] for seed in shared])
        mean = float(differences.mean())
        probability = None
        if len(shared) > 1:
            error = float(differences.std(ddof=1)) / math.sqrt(len(shared))
            probability = float(student.cdf(mean / error, len(shared) - 1)) if error > 0 else float(mean > 0)
        rivals.append({"rival": rival, "meanDifference": mean, "probability": probability, "seeds": len(shared)})
    return rivals


def _rank_agreement(trials: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Kendall's tau between each rung and the last, over trials that reached both."""
    from scipy.stats import kendalltau

    figures = [{r["step"]: r["values"][0] for r in t["reports"]} for t in trials if t["state"] != "infeasible"]
    steps = sorted({step for figure in figures for step in figure})
    agreement: list[dict[str, Any]] = []
    for step in steps[:-1]:
        both = [(figure[step], figure[steps[-1]]) for figure in figures if step in figure and steps[-1] in figure]
        early, late = ([pair[i] for pair in both] for i in (0, 1))
        tau = kendalltau(early, late).statistic if len(both) > 2 else math.nan  # pyright: ignore[reportAttributeAccessIssue]
        agreement.append({"step": step, "trials": len(both), "tau": tau if math.isfinite(tau) else None})
    return agreement
