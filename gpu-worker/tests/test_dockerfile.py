"""The image of a GPU worker, read by a parser: there is no engine here that could build it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def parser() -> DockerfileParser:
    return DockerfileParser(fileobj=io.BytesIO((PROJECT / "gpu-worker" / "Dockerfile").read_bytes()))


def values(parser: DockerfileParser, instruction: str) -> list[str]:
    return [line["value"] for line in parser.structure if line["instruction"] == instruction]


def test_every_file_that_is_copied_is_there(parser):
    copied = [value.split() for value in values(parser, "COPY") if "--from" not in value]
    sources = [source for words in copied for source in words[1:-1]]
    assert "package-lock.json" in sources
    assert [source for source in sources if not (PROJECT / source).exists()] == []


def test_images_are_pinned_to_a_version_and_nothing_runs_as_root(parser):
    images = [value.split()[0] for value in values(parser, "FROM")]
    assert all(":" in image and not image.endswith(":latest") for image in images)
    instructions = [line["instruction"] for line in parser.structure]
    assert values(parser, "USER") == ["painter"]
    assert instructions.index("USER") < instructions.index("ENTRYPOINT")


def test_it_holds_no_secret_and_ends_on_sigterm(parser):
    assert not {"HF_TOKEN", "TEMPORAL_API_KEY"} & set(parser.envs)
    assert values(parser, "ARG") == []
    assert values(parser, "STOPSIGNAL") == ["SIGTERM"]
    assert values(parser, "ENTRYPOINT") == ['["node", "dist/workers/gpu-worker.js"]']
