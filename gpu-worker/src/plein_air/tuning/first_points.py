"""First points of a study: a scrambled Sobol sequence.

There is one for the whole study, since its points keep their distance only from each other.
"""

from __future__ import annotations

from typing import Any

from plein_air.tuning.ask import Ask


def sobol(ask: Ask) -> dict[str, Any]:
    """The point of the trial's number, a value of every dimension; trial 0, the default, has no place in the sequence."""
    from optuna.samplers import QMCSampler
    from optuna.trial import TrialState, create_trial

    sampler = QMCSampler(qmc_type="sobol", scramble=True, seed=ask.study_seed, warn_independent_sampling=False)
    space = ask.space.distributions
    study = ask.optuna_study(sampler, ())
    for _ in range(ask.number - 1):
        # The sequence's position is this method's only effect; asking for complete trials would do the same, slowly.
        sampler._find_sample_id(study, dict(space))  # pyright: ignore[reportPrivateUsage]
    point = sampler.sample_relative(study, create_trial(state=TrialState.RUNNING), space)
    return {name: point[name] for name in space}
