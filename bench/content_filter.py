"""False alarms of the Space's content filter, with its real weights, on pictures that show nothing to withhold.

    python bench/content_filter.py FOLDER…

In an environment with the package that `space/requirements.txt` names. A folder holds pictures, or Qt's .rcc files (Debian's
gcompris-qt-data), whose WebP and JPEG pictures are taken out. How many nudes it finds is not measured: there are none here.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "space"))

from guard import UNSAFE, content_filter, withheld
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALLEST = 128


def main() -> None:
    """One JSON line a folder: how many pictures, how many withheld, the highest scores, seconds a picture."""
    score = content_filter()
    for folder in map(Path, sys.argv[1:]):
        scores: list[tuple[float, str]] = []
        started = time.perf_counter()
        for name, image in pictures(folder):
            value = float(score(image))
            if withheld(image, score) is not (value >= UNSAFE):
                raise SystemExit(f"{name}: the guard and the score {value} disagree")
            scores.append((value, name))
        seconds = (time.perf_counter() - started) / 2 / max(1, len(scores))
        highest = [[round(value, 3), name] for value, name in sorted(scores, reverse=True)[:5]]
        alarms = sum(value >= UNSAFE for value, _ in scores)
        answer = {"folder": folder.name, "pictures": len(scores), "withheld": alarms, "highest": highest}
        sys.stdout.write(json.dumps({**answer, "secondsAPicture": round(seconds, 4)}) + "\n")


def pictures(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """Every picture of at least SMALLEST pixels a side."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        found = list(packed(content)) if path.suffix == ".rcc" else [content]
        for index, one in enumerate(found):
            try:
                with Image.open(io.BytesIO(one)) as image:
                    image.load()
                    if min(image.size) >= SMALLEST:
                        yield f"{path.name}#{index}", image.convert("RGB")
            except (OSError, ValueError):
                continue


def packed(content: bytes) -> Iterator[bytes]:
    """WebP and JPEG files that lie in another file as they are."""
    at = content.find(b"RIFF")
    while at >= 0:
        if content[at + 8 : at + 12] == b"WEBP":
            yield content[at : at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")]
        at = content.find(b"RIFF", at + 4)
    at = content.find(b"\xff\xd8\xff")
    while at >= 0:
        end = content.find(b"\xff\xd9", at)
        if end > 0:
            yield content[at : end + 2]
        at = content.find(b"\xff\xd8\xff", at + 3)


if __name__ == "__main__":
    main()
