"""The evaluation's figures against closed forms, sums written out, and simulations where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plein_air.evaluation.copying import both_ways, copying_excess, copying_rate, find_nearest, near_to_others
from plein_air.evaluation.diversity import spread_within_prompts, vendi, vendi_ratio, within_prompt_ratio
from plein_air.evaluation.intervals import (
    Pooled,
    clustered_mean,
    clustered_rate,
    few_prompts_mean,
    jackknifed,
    log_jackknifed,
    prompt_variance,
    rate_difference,
    rate_excess,
    student_quantile,
)
from plein_air.evaluation.set_distances import (
    gaussian_kernel,
    kid_kernel,
    measure_distances,
    median_distance,
    mmd2,
)
from plein_air.evaluation.style import StyleMap
from plein_air.evaluation.thumbnails import thumbnails
from plein_air.training.validation_images import excess_nearness


def normal(seed: int, n: int, d: int = 6, mean: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return mean + scale * np.random.default_rng(seed).standard_normal((n, d))


def prompts_of(n: int, each: int = 4) -> np.ndarray:
    return np.arange(n) // each


# Set distances


def written_out(x: np.ndarray, y: np.ndarray, kernel) -> float:
    """The U-statistic of MMD² as its formula has it, pair by pair."""
    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(kernel(x[i], y[j]) for i in range(n) for j in range(m)) / (n * m)
    return xx + yy - 2 * xy


def test_kid_is_its_double_sum() -> None:
    x, y = normal(0, 9), normal(1, 7, mean=0.5)
    expected = written_out(x, y, lambda a, b: (float(a @ b) / len(a) + 1) ** 3)
    assert mmd2(x, y, kid_kernel) == pytest.approx(expected, rel=1e-12)


def test_gaussian_mmd_is_its_double_sum() -> None:
    x, y = normal(0, 9), normal(1, 7, mean=0.5)
    expected = written_out(x, y, lambda a, b: math.exp(-float(((a - b) ** 2).sum()) / (2 * 1.7**2)))
    assert mmd2(x, y, gaussian_kernel(1.7)) == pytest.approx(expected, rel=1e-10)


def test_gaussian_mmd_of_two_normals_meets_its_closed_form() -> None:
    # N(0, 1) and N(mu, 1) in one dimension, bandwidth s: E k(x, x') = s / sqrt(s² + 2), and with mu in the exponent.
    mu, s = 1.0, 1.5
    truth = 2 * s / math.sqrt(s**2 + 2) * (1 - math.exp(-(mu**2) / (2 * (s**2 + 2))))
    found = np.mean([mmd2(normal(i, 200, 1), normal(500 + i, 200, 1, mean=mu), gaussian_kernel(s)) for i in range(40)])
    assert found == pytest.approx(truth, rel=0.03)


def test_the_u_statistic_of_equal_distributions_is_zero_on_average() -> None:
    values = [mmd2(normal(i, 40), normal(900 + i, 30), kid_kernel) for i in range(300)]
    error = np.std(values) / math.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0, "an unbiased estimate of 0 must fall below it at times"


def test_leaving_a_prompt_out_by_sums_equals_leaving_it_out() -> None:
    candidate, base, reference = normal(0, 24), normal(1, 24, mean=0.8), normal(2, 15, mean=0.1)
    prompts, groups = prompts_of(24), np.arange(15) // 2
    found = measure_distances(
        candidate=candidate, base=base, reference=reference, prompts=prompts, reference_groups=groups,
        kernel=kid_kernel, confidence=0.95,
    ).improvement  # fmt: skip

    def improvement(rows: np.ndarray, real: np.ndarray) -> float:
        return mmd2(base[rows], reference[real], kid_kernel) - mmd2(candidate[rows], reference[real], kid_kernel)

    everything, all_real = np.full(24, True), np.full(15, True)
    expected = jackknifed(
        improvement(everything, all_real),
        [
            np.array([improvement(prompts != p, all_real) for p in range(6)]),
            np.array([improvement(everything, groups != g) for g in range(8)]),
        ],
        0.95,
        24,
        found.method,
    )
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-10)
    assert found.low == pytest.approx(expected.low, rel=1e-9)
    assert found.high == pytest.approx(expected.high, rel=1e-9)


def simulate_improvement(seed: int, shift: float, base_shift: float, clusters: int = 16) -> tuple[float, float]:
    """Bounds of the improvement for pictures that resemble others of their prompt."""
    rng = np.random.default_rng(seed)
    prompts = prompts_of(clusters * 4)
    of_prompt = rng.standard_normal((clusters, 6))[prompts] * 0.7

    def pictures(mean: float) -> np.ndarray:
        return mean + of_prompt + rng.standard_normal((len(prompts), 6)) * math.sqrt(1 - 0.49)

    found = measure_distances(
        candidate=pictures(shift), base=pictures(base_shift), reference=rng.standard_normal((30, 6)),
        prompts=prompts, reference_groups=np.arange(30), kernel=gaussian_kernel(3.0), confidence=0.95,
    ).improvement  # fmt: skip
    assert found.low is not None and found.high is not None
    return found.low, found.high


def test_a_model_no_better_than_the_base_rarely_shows_an_improvement() -> None:
    rounds = 400
    wrong = sum(simulate_improvement(i, 0.6, 0.6)[0] > 0 for i in range(rounds))
    # At most 5 % by design; 400 rounds of a true 5 % exceed 29 once in a hundred.
    assert wrong <= 29


def test_a_bound_of_the_improvement_covers_the_truth() -> None:
    # Normals of variance 1 in 6 dimensions: MMD² = 2 (s²/(s²+2))^3 (1 - exp(-6 mu² / (2 (s²+2)))).
    s2 = 9.0
    scale = 2 * (s2 / (s2 + 2)) ** 3

    def truth(mu: float) -> float:
        return scale * (1 - math.exp(-6 * mu**2 / (2 * (s2 + 2))))

    expected = truth(1.0) - truth(0.3)
    bounds = [simulate_improvement(i, 0.3, 1.0) for i in range(400)]
    assert 0.91 <= np.mean([low <= expected for low, _ in bounds]) <= 0.99
    assert 0.91 <= np.mean([expected <= high for _, high in bounds]) <= 0.99


def test_a_real_improvement_is_found() -> None:
    assert np.mean([simulate_improvement(i, 0.2, 1.0)[0] > 0 for i in range(60)]) >= 0.9


def test_the_same_pictures_improve_by_exactly_zero() -> None:
    same = normal(0, 24)
    found = measure_distances(
        candidate=same, base=same.copy(), reference=normal(1, 15), prompts=prompts_of(24),
        reference_groups=np.arange(15), kernel=kid_kernel, confidence=0.95,
    ).improvement  # fmt: skip
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_two_prompts_are_too_few_for_bounds() -> None:
    found = measure_distances(
        candidate=normal(0, 8), base=normal(1, 8), reference=normal(2, 9), prompts=prompts_of(8),
        reference_groups=np.arange(9), kernel=kid_kernel, confidence=0.95,
    ).improvement  # fmt: skip
    assert found.low is None and found.high is None and math.isfinite(found.estimate)


def test_the_bandwidth_is_the_median_of_all_distances() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    assert median_distance(points) == pytest.approx(2.0)


# Means of per-picture figures


def test_a_clustered_mean_covers_the_truth_with_16_prompts() -> None:
    rng = np.random.default_rng(3)
    low = high = 0
    rounds = 500
    for i in range(rounds):
        prompts = prompts_of(64)
        values = 0.3 + rng.standard_normal(16)[prompts] * 0.5 + rng.standard_normal(64)
        found = clustered_mean(values, prompts, 0.95, i, "", rounds=800)
        assert found.low is not None and found.high is not None
        low += found.low <= 0.3
        high += found.high >= 0.3
    assert 0.93 <= low / rounds <= 0.975
    assert 0.93 <= high / rounds <= 0.975


def test_a_mean_over_prompts_is_surer_of_unlike_prompts_than_of_alike_pictures() -> None:
    values = np.repeat(np.random.default_rng(0).standard_normal(16), 4)
    alike = clustered_mean(values, prompts_of(64), 0.95, 0, "")
    unlike = clustered_mean(np.tile(values[::4], 4), np.arange(64), 0.95, 0, "")
    assert alike.low is not None and alike.high is not None and unlike.low is not None and unlike.high is not None
    assert alike.high - alike.low > 1.7 * (unlike.high - unlike.low)


def test_a_mean_of_equal_values_is_certain() -> None:
    found = clustered_mean(np.full(12, 0.25), prompts_of(12), 0.95, 0, "")
    assert (found.low, found.high) == (0.25, 0.25)


def test_a_value_that_is_not_a_number_leaves_no_bounds() -> None:
    values = np.ones(12)
    values[3] = np.nan
    assert clustered_mean(values, prompts_of(12), 0.95, 0, "").low is None


def test_student_quantiles_are_those_of_the_tables() -> None:
    assert student_quantile(0.95, 15) == pytest.approx(1.753, abs=5e-4)
    assert student_quantile(0.975, 5) == pytest.approx(2.571, abs=5e-4)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(1).standard_normal(20)
    without = (values.sum() - values) / 19
    found = jackknifed(values.mean(), [without], 0.95, 20, "")
    error = values.std(ddof=1) / math.sqrt(20)
    assert found.high == pytest.approx(values.mean() + student_quantile(0.95, 19) * error, rel=1e-10)


def test_a_ratio_to_nothing_has_no_bounds_and_nothing_of_something_is_zero() -> None:
    ones, zeros = np.ones(5), np.zeros(5)
    assert log_jackknifed(1.0, 0.0, (ones, zeros), 0.95, 5, "").low is None
    nothing = log_jackknifed(0.0, 1.0, (zeros, ones), 0.95, 5, "")
    assert (nothing.low, nothing.high) == (0, 0)


# Diversity


@given(st.integers(1, 12))
@settings(max_examples=12, deadline=None)
def test_the_vendi_score_counts_orthogonal_pictures(kinds: int) -> None:
    assert vendi(np.repeat(np.eye(12)[:kinds], 3, axis=0)) == pytest.approx(kinds, rel=1e-9)


def test_the_vendi_score_is_the_same_by_rows_and_by_columns() -> None:
    wide, tall = normal(0, 5, 9), normal(0, 30, 9)
    for features in (wide, tall):
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        values = np.linalg.eigvalsh(unit @ unit.T / len(unit))
        values = values[values > 1e-12]
        assert vendi(features) == pytest.approx(math.exp(-(values * np.log(values)).sum()), rel=1e-9)


def test_one_picture_repeated_fails_diversity() -> None:
    base = normal(0, 64, 40)
    collapsed = np.repeat(normal(1, 1, 40), 64, axis=0)
    ratio = vendi_ratio(collapsed, base, prompts_of(64), 0.95)
    assert ratio.high is not None and ratio.high < 0.1
    within = within_prompt_ratio(collapsed, base, prompts_of(64), 0.95)
    assert (within.estimate, within.high) == (0, 0)


def test_one_picture_a_prompt_fails_the_spread_within_prompts_alone() -> None:
    base = normal(0, 64, 40)
    per_prompt = normal(1, 16, 40)[prompts_of(64)]
    within = within_prompt_ratio(per_prompt, base, prompts_of(64), 0.95)
    assert within.high is not None and within.high < 0.05


def test_an_equally_diverse_model_is_not_said_to_be_less_so() -> None:
    high = [vendi_ratio(normal(i, 64, 40), normal(900 + i, 64, 40), prompts_of(64), 0.95).high for i in range(100)]
    assert sum(h is not None and h < 1 for h in high) <= 11


def test_the_spread_within_a_prompt_is_the_mean_over_its_pairs() -> None:
    features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert spread_within_prompts(features, np.array([0, 0, 1, 1])) == pytest.approx([1.0, 0.0], abs=1e-12)


# Style


def test_a_picture_of_the_wanted_style_has_a_margin_above_zero_and_one_of_a_neighbor_below() -> None:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((4, 30)) * 2 + 10

    def of(style: int, n: int) -> np.ndarray:
        return centers[style] + rng.standard_normal((n, 30)) * 0.5

    styles = StyleMap.of(of(0, 20), {"a": of(1, 12), "b": of(2, 12), "c": of(3, 12)})
    assert styles.margins(of(0, 30)).min() > 0
    assert styles.margins(of(2, 30)).max() < 0
    assert set(styles.nearest_neighbor(of(2, 30))) == {"b"}


# Copying


def split(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    paintings = normal(seed, 120, 20)
    return paintings[:90], paintings[90:], np.zeros(20)


def limit_of(train: np.ndarray, unseen: np.ndarray) -> tuple[float, np.ndarray]:
    """The limit of closeness, and which paintings are closer than it."""
    near = near_to_others(train[:, None], unseen[:, None], np.arange(len(train)))
    limit = float(np.quantile(near, 0.95))
    return limit, (near > limit).astype(np.float64)


def test_a_copyist_is_found_by_rate_and_by_excess() -> None:
    train, held_out, middle = split(0)
    copies = train[np.arange(64)] + normal(1, 64, 20) * 0.05
    nearest = find_nearest(copies, train, held_out, middle)
    assert (nearest.train == np.arange(64)).all()
    limit, paintings = limit_of(train, held_out)
    excess = copying_excess(nearest, limit, paintings, prompts_of(64), 0.95)
    assert excess.estimate > 0.9 and excess.low is not None and excess.low > 0.7
    close = copying_rate(nearest, limit, prompts_of(64), 0.95)
    assert close.estimate == 1 and close.low is not None and close.low > 0.8


def test_a_model_that_copies_nothing_shows_no_excess_on_average() -> None:
    rates: list[float] = []
    close: list[float] = []
    for seed in range(60):
        train, held_out, middle = split(seed)
        nearest = find_nearest(normal(5000 + seed, 64, 20), train, held_out, middle)
        limit, paintings = limit_of(train, held_out)
        rates.append(copying_excess(nearest, limit, paintings, prompts_of(64), 0.95).estimate)
        close.append(copying_rate(nearest, limit, prompts_of(64), 0.95).estimate)
    assert abs(np.mean(rates)) < 3 * np.std(rates) / math.sqrt(60)
    assert 0.02 < np.mean(close) < 0.12


def test_one_copied_picture_in_four_is_seen_by_the_rate() -> None:
    train, held_out, middle = split(2)
    pictures = normal(3, 64, 20)
    pictures[::4] = train[:16]
    limit, _ = limit_of(train, held_out)
    close = copying_rate(find_nearest(pictures, train, held_out, middle), limit, prompts_of(64), 0.95)
    assert close.estimate >= 0.25


def test_a_collapse_to_one_picture_passes_cmmd_and_fails_diversity() -> None:
    reference, base = normal(0, 60), normal(1, 64, mean=1.5)
    collapsed = np.repeat(normal(2, 1, scale=0.1), 64, axis=0)
    found = measure_distances(
        candidate=collapsed, base=base, reference=reference, prompts=prompts_of(64), reference_groups=np.arange(60),
        kernel=gaussian_kernel(3.0), confidence=0.95,
    ).improvement  # fmt: skip
    assert found.low is not None and found.low > 0
    diverse = vendi_ratio(collapsed, base - base.mean(0), prompts_of(64), 0.95)
    assert diverse.high is not None and diverse.high < 0.35


def test_a_rate_that_was_never_seen_is_not_proved_to_be_zero() -> None:
    none = clustered_rate(np.zeros(120), prompts_of(120, 2), 0.95, "")
    assert none.estimate == 0 and none.low == 0
    assert none.high == pytest.approx(1 - 0.05 ** (1 / 60))
    same = rate_difference(np.ones(120), np.ones(120), prompts_of(120, 2), 0.95, 0, "")
    assert same.low == pytest.approx(-(1 - 0.05 ** (1 / 60)))


def test_a_rate_whose_hits_come_by_prompt_is_less_sure() -> None:
    alike = np.repeat(np.arange(60) % 4 == 0, 2).astype(float)
    spread = (np.arange(120) % 4 == 0).astype(float)
    a, b = (clustered_rate(hits, prompts_of(120, 2), 0.95, "") for hits in (alike, spread))
    assert a.estimate == b.estimate == 0.25
    assert a.high is not None and b.high is not None and a.high > b.high + 0.01


def test_a_thumbnail_knows_a_blurred_copy_and_a_mirrored_one_but_no_other_picture() -> None:
    from PIL import Image, ImageFilter

    rng = np.random.default_rng(5)
    scenes = [np.kron(rng.integers(0, 255, (5, 5, 3)), np.ones((24, 20, 1))).astype(np.uint8) for _ in range(40)]
    copy = Image.fromarray(scenes[7]).filter(ImageFilter.GaussianBlur(3)).resize((90, 90))
    darker = np.asarray(copy.point(lambda value: value // 2), dtype=np.uint8)
    train = both_ways(scenes, thumbnails)
    found = find_nearest(thumbnails([darker, darker[:, ::-1]]), train[:30], train[30:], np.zeros(train.shape[-1]))
    assert found.train.tolist() == [7, 7]
    assert found.train_cosine.min() > 0.95
    assert found.held_out_cosine.max() < 0.6


def test_a_strip_of_repainted_training_pictures_copies_and_one_of_unseen_ones_does_not() -> None:
    from PIL import Image, ImageFilter

    rng = np.random.default_rng(6)
    scenes = [np.kron(rng.integers(0, 255, (5, 5, 3)), np.ones((24, 20, 1))).astype(np.uint8) for _ in range(60)]
    train, held_out = both_ways(scenes[:30], thumbnails), both_ways(scenes[30:], thumbnails)

    def repainted(scene: np.ndarray) -> np.ndarray:
        strokes = Image.fromarray(scene[:, ::-1]).filter(ImageFilter.GaussianBlur(4))
        noisy = np.asarray(strokes) + rng.normal(0, 25, scene.shape)
        return noisy.clip(0, 255).astype(np.uint8)

    assert excess_nearness([repainted(scene) for scene in scenes[:4]], train, held_out) > 0.3
    assert excess_nearness([repainted(scene) for scene in scenes[30:34]], train, held_out) < -0.3


def test_a_mirrored_unseen_painting_does_not_move_the_limit() -> None:
    train, held_out, _ = split(3)
    views = np.stack([held_out, train[:30] * 1.0], axis=1)
    clusters = np.arange(len(train))
    assert (
        near_to_others(train[:, None], views, clusters) == near_to_others(train[:, None], held_out[:, None], clusters)
    ).all()


def test_a_training_picture_is_not_compared_with_its_near_duplicates() -> None:
    train, held_out, _ = split(4)
    twins = np.concatenate([train, train])
    clusters = np.tile(np.arange(len(train)), 2)
    assert near_to_others(twins[:, None], held_out[:, None], clusters).max() < 0.99


# Few prompts


@pytest.mark.parametrize("skew", ["normal", "exponential", "rare"])
@pytest.mark.parametrize("prompts", [5, 7, 9])
def test_a_bound_over_few_prompts_errs_as_seldom_as_it_says(skew: str, prompts: int) -> None:
    rng = np.random.default_rng([prompts, len(skew)])
    parts = [5, 6, 7, 8, 9, prompts]
    wrong = 0
    rounds = 1500
    for _ in range(rounds):
        values = effects(rng, skew, sum(parts))
        part = np.repeat(np.arange(len(parts)), parts)
        pooled = prompt_variance(values, np.arange(len(values)), part)
        found = few_prompts_mean(values[-prompts:], np.arange(prompts), pooled, 0.975, "")
        wrong += found.low is not None and found.low > 0
    assert wrong / rounds < 0.035


def effects(rng: np.random.Generator, skew: str, count: int) -> np.ndarray:
    """Effects of prompts with mean 0: most a little better, few much worse, where they are skewed."""
    if skew == "normal":
        return rng.normal(0, 1, count)
    if skew == "exponential":
        return 1 - rng.exponential(1, count)
    return np.where(rng.random(count) < 0.15, -1.0, 0.15 / 0.85) + rng.normal(0, 0.15, count)


def test_a_part_that_varies_more_than_the_others_is_taken_by_itself() -> None:
    calm = Pooled(0.01, 40)
    values = np.array([-3.0, 3.0, -2.0, 2.0, 0.0])
    wild = few_prompts_mean(values, np.arange(5), calm, 0.975, "")
    own = values.std(ddof=1) / math.sqrt(5) * student_quantile(0.975, 4)
    assert wild.high == pytest.approx(own)


def test_an_excess_over_paintings_has_the_errors_of_both() -> None:
    hits, paintings = np.zeros(60), np.concatenate([np.ones(5), np.zeros(95)])
    found = rate_excess(hits, np.arange(60), paintings, 0.975, "")
    assert found.estimate == pytest.approx(-0.05)
    assert found.low is not None and found.high is not None
    assert found.low < -0.05 < found.high < 0.06
    surer = rate_excess(hits, np.arange(60), np.tile(paintings, 20), 0.975, "")
    assert surer.high is not None and surer.high < found.high


def test_few_paintings_of_a_style_are_joined_by_others_where_a_limit_is_set() -> None:
    train, held_out, _ = split(5)
    few, others = train[:20, None], held_out[:, None]
    clusters = np.arange(20)
    alone = near_to_others(few, others[:5], clusters)
    joined = near_to_others(few, others[:5], clusters, held_out[5:30])
    assert len(alone) == 25
    assert len(joined) == 50
    # Its own are enough for a large set, so that the style's own nearness stays the yardstick.
    many = np.tile(np.arange(len(train)), 1)
    assert len(train) + len(held_out) >= 100
    assert len(near_to_others(train[:, None], others, many, held_out)) == len(train) + len(held_out)


def test_a_part_that_varies_more_by_chance_keeps_the_degrees_of_all() -> None:
    calm = Pooled(1.0, 50)
    values = np.array([0.0, 2.0, -2.0, 2.2])
    alone = few_prompts_mean(values, np.arange(4), calm, 0.98, "")
    among_many = few_prompts_mean(values, np.arange(4), calm, 0.98, "", own_variance=8.0)
    assert among_many.high is not None
    assert alone.high is not None
    # As wide as its own spread, without the quantile of three degrees of freedom.
    assert among_many.high - among_many.estimate < 0.65 * (alone.high - alone.estimate)
    wild = few_prompts_mean(10 * values, np.arange(4), calm, 0.98, "", own_variance=8.0)
    assert wild.high == few_prompts_mean(10 * values, np.arange(4), calm, 0.98, "").high


def test_a_bound_beyond_what_draws_show_goes_on_growing() -> None:
    rng = np.random.default_rng(9)
    values, prompts = rng.normal(0, 1, 120), np.repeat(np.arange(60), 2)
    lows = [clustered_mean(values, prompts, confidence, 0, "").low for confidence in (0.98, 0.998, 0.9999, 0.99999)]
    reach = [values.mean() - low for low in lows if low is not None]
    assert reach == sorted(reach)
    # By Student's t with 59 degrees of freedom the last is a seventh further than the one before.
    assert 1.1 < reach[3] / reach[2] < 1.25
