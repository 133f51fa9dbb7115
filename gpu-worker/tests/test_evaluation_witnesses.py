"""What an evaluation sees without an encoder, and by probes: content, look, copies. The short form of the mutants."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from painted_sets import png, strokes
from plein_air.evaluation.appearance import SIDE, TRAITS, layout, same_hues, traits, way_up
from plein_air.evaluation.content import Content
from plein_air.evaluation.copying import Copies, plant
from plein_air.evaluation.figures import outside, slice_names
from plein_air.evaluation.pictures import Painting
from plein_air.evaluation.probes import RIDGE, Probe, ranks_above
from plein_air.evaluation.scene import Part

GENRES = ("landscape", "portrait", "still_life")


def drawn(seeds: range) -> list[np.ndarray]:
    return [np.asarray(strokes(seed).resize((96, 128 if seed % 2 else 96))) for seed in seeds]


def painted(seeds: range, genre: str = "landscape") -> list[Painting]:
    """The same in a parquet file."""
    folder = Path(mkdtemp())
    file = folder / "paintings.parquet"
    rows = [{"image": {"bytes": png(Image.fromarray(picture)), "path": None}} for picture in drawn(seeds)]
    parquet.write_table(pa.Table.from_pylist(rows), file, row_group_size=5)
    return [Painting(str(seed), "", "Strokes", genre, seed, file, row) for row, seed in enumerate(seeds)]


# Content


def asked_features(rng: np.random.Generator, count: int, strength: float = 3.0) -> tuple[np.ndarray, list[str]]:
    """Features of pictures of each genre in turn: a direction a genre, and noise."""
    names = [GENRES[row % len(GENRES)] for row in range(count)]
    features = rng.normal(0, 1, (count, 30))
    for row, name in enumerate(names):
        features[row, GENRES.index(name)] += strength
    return features, names


def content_of(genres: list[str], features: np.ndarray, count: int) -> Content:
    samples = [
        {"promptId": f"p{row // 2}", "genre": f"slice-{row % 3}", "asks": GENRES[row % len(GENRES)]}
        for row in range(count)
    ]
    return Content.of(samples, genres, features)


def test_pictures_of_what_was_asked_for_match_and_dealt_ones_come_to_chance() -> None:
    rng = np.random.default_rng(0)
    paintings, genres = asked_features(rng, 150)
    content = content_of(genres, paintings, 60)
    good, _ = asked_features(rng, 60)
    base, _ = asked_features(rng, 60)
    # A style of its own moves all pictures alike, and moves no rank.
    assert np.nanmean(content.matches(good + 5.0, base)) > 0.9
    dealt = good[rng.permutation(60)]
    assert abs(np.nanmean(content.matches(dealt, base)) - 0.5) < 0.1
    wrong = np.roll(good, 1, axis=0)
    assert np.nanmean(content.matches(wrong, base)) < 0.4


def test_a_painter_that_owes_the_base_nothing_shows_what_was_asked_and_dealt_pictures_of_the_base_do_not() -> None:
    rng = np.random.default_rng(1)
    paintings, genres = asked_features(rng, 150)
    content = content_of(genres, paintings, 60)
    base, _ = asked_features(rng, 60, strength=1.0)
    own, _ = asked_features(rng, 60)
    assert np.mean(content.shown(own, base)) > 0.9
    assert np.mean(content.kept(base + 0.1 * rng.normal(0, 1, base.shape), base)) > 0.99
    assert np.mean(content.shown(np.roll(base, 1, axis=0), base)) < 0.75


def test_without_genres_the_base_stands_for_what_was_asked() -> None:
    rng = np.random.default_rng(2)
    paintings, _ = asked_features(rng, 40)
    content = content_of(["Unknown Genre"] * 40, paintings, 60)
    assert content.probe is None
    good, _ = asked_features(rng, 60)
    base, _ = asked_features(rng, 60)
    assert np.nanmean(content.matches(good, base)) > 0.8
    assert np.nanmean(content.matches(np.roll(good, 1, axis=0), base)) < 0.5


def test_ranks_of_equal_scores_are_chance() -> None:
    assert ranks_above(np.zeros((6, 2)), np.array([0, 1, 0, 1, 0, 1])).tolist() == [0.5] * 6


def test_a_probe_reads_what_it_learnt() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(0, 1, (80, 10))
    probe = Probe.fit(rows, np.sign(rows[:, :1]))
    assert np.corrcoef(probe.scores(rows)[:, 0], rows[:, 0])[0, 1] > 0.8


# Look


def scenes(count: int, seed: int) -> list[np.ndarray]:
    """Blue sky over a brown field, with strokes."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for number in range(count):
        drawn = np.asarray(strokes(7000 + seed * 100 + number).resize((SIDE, SIDE))).astype(float)
        drawn = 128 + (drawn - drawn.mean((0, 1))) * 0.5
        horizon = int(rng.integers(40, 80))
        drawn[:horizon] += (-30, 0, 70)
        drawn[horizon:] += (10, -20, -60)
        found.append(drawn.clip(0, 255).astype(np.uint8))
    return found


def test_turned_pictures_and_other_hues_show_against_the_bases() -> None:
    base, ours = scenes(6, 1), scenes(6, 1)
    up = way_up(layout(ours), layout(base))
    down = way_up(layout([picture[::-1] for picture in ours]), layout(base))
    assert up.min() > 0.3 and down == pytest.approx(-up)
    assert same_hues(layout(ours), layout(base)).min() > 0.99
    assert same_hues(layout([picture[..., ::-1] for picture in ours]), layout(base)).max() < 0


def look(pictures: list[np.ndarray], base: list[np.ndarray], paintings: list[np.ndarray]) -> Any:
    real = traits(paintings)
    scene: Any = SimpleNamespace(traits=(real.mean(0), np.maximum(real.std(0), 0.02)), confidence=0.95)
    shown: list[Any] = [SimpleNamespace(features={"traits": traits(one)}) for one in (pictures, base)]
    return outside(scene, shown[0], shown[1], Part(np.arange(len(pictures)), np.arange(len(pictures)) // 2))


SPOILED = {
    "noise": lambda p: np.clip(p + np.random.default_rng(0).normal(0, 40, p.shape), 0, 255).astype(np.uint8),
    "blurred": lambda p: np.asarray(Image.fromarray(p).resize((16, 16)).resize((SIDE, SIDE))),
    "gray": lambda p: np.asarray(Image.fromarray(p).convert("L").convert("RGB")),
    "framed": lambda p: np.pad(p[6:-6, 6:-6], ((6, 6), (6, 6), (0, 0))),
    "too dark": lambda p: (p * 0.2).astype(np.uint8),
    "tiles": lambda p: np.concatenate([np.roll(p[:64], 64, axis=1), np.roll(p[64:], 32, axis=1)][::-1]),
    "posterized": lambda p: p // 86 * 86,
}


@pytest.mark.parametrize("kind", sorted(SPOILED))
def test_a_spoiled_look_lies_beyond_base_and_paintings(kind: str) -> None:
    base, paintings, ours = scenes(12, 2), scenes(20, 3), scenes(12, 4)
    assert look(ours, base, paintings).estimate < 1.4
    spoiled = look([SPOILED[kind](picture) for picture in ours], base, paintings)
    assert spoiled.low > 1.4, spoiled.method


def test_traits_have_a_name_each_and_the_method_names_the_furthest() -> None:
    assert traits(scenes(2, 5)).shape == (2, len(TRAITS))
    found = look([SPOILED["gray"](p) for p in scenes(8, 6)], scenes(8, 6), scenes(12, 7))
    assert any(found.method.endswith(name) for name in TRAITS)


def test_a_slice_of_two_prompts_is_taken_together_with_other_small_ones() -> None:
    samples = [{"genre": f"g{row // 4}", "promptId": f"p{row // 2}"} for row in range(8)]
    assert slice_names(samples).tolist() == ["small"] * 8
    more = [{"genre": "g", "promptId": f"p{row}"} for row in range(3)]
    assert slice_names([*samples, *more]).tolist() == ["small"] * 8 + ["g"] * 3


# Copies


@pytest.fixture(scope="module")
def copies() -> Copies:
    return Copies.of(painted(range(24)), painted(range(1000, 1012)), lambda: None)


def test_planted_copies_are_found_however_they_were_changed(copies: Copies) -> None:
    for kind, pictures in plant(drawn(range(6)), drawn(range(2000, 2006))):
        found = copies.find(pictures, lambda: None)
        assert (found.likeness > copies.limit).mean() >= 0.8, kind
        assert (found.painting[found.likeness > copies.limit] < 6).all(), kind


def test_unseen_paintings_are_no_copies(copies: Copies) -> None:
    unseen = copies.find(drawn(range(3000, 3040)), lambda: None)
    assert (unseen.likeness > copies.limit).sum() == 0


def test_one_copy_among_many_pictures_is_counted(copies: Copies) -> None:
    pictures = drawn(range(4000, 4009)) + drawn(range(3, 4))
    figures = copies.figures(copies.find(pictures, lambda: None).likeness, 0.95)
    assert figures["copying.copies"].estimate == 1
    assert figures["copying.detection"].low is not None and figures["copying.detection"].low > 0.75
    assert "crop 75 %" in figures["copying.detection"].method
    assert figures["copying.falseAlarms"].estimate == 0


def test_near_duplicates_in_the_training_set_do_not_raise_the_limit() -> None:
    twins = [*painted(range(12)), *painted(range(12))]
    alone = Copies.of(painted(range(12)), painted(range(1000, 1006)), lambda: None)
    twice = Copies.of(twins, painted(range(1000, 1006)), lambda: None)
    assert twice.limit < alone.limit + 0.1


def test_a_probe_of_few_traits_reads_them_together() -> None:
    """Two traits that rise and fall together tell a style by their difference alone."""
    rng = np.random.default_rng(5)
    common = rng.normal(0, 3, 60)
    wanted = np.arange(60) < 20
    rows = np.stack([common, common + np.where(wanted, 0.5, -0.5)], axis=1) + rng.normal(0, 0.1, (60, 2))
    answers = np.where(wanted, 1.0, -1.0)[:, None]

    def right(ridge: float) -> float:
        scores = Probe.fit(rows, answers, ridge=ridge).scores(rows)[:, 0]
        return float((scores[wanted][:, None] > scores[~wanted]).mean())

    assert right(0.001) > 0.95
    assert right(RIDGE) < 0.75
