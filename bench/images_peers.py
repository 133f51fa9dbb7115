"""The peers of bench/images.ts: PIL and img2dataset's resizer.

Arguments: peer, processes, seconds, folder. Prints images/s and ms of CPU a picture.
"""

from __future__ import annotations

import io
import multiprocessing
import sys
import time
from pathlib import Path

WIDTH, HEIGHT = 1312, 1008


def pil(data: bytes) -> int:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as image:
        picture = ImageOps.fit(
            ImageOps.exif_transpose(image).convert("RGB"),
            (WIDTH, HEIGHT),
            Image.Resampling.LANCZOS,
        )
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95, subsampling=0)
    return out.tell()


def resizer(interpolation: str):
    import cv2
    from img2dataset.resizer import Resizer

    cv2.setNumThreads(1)
    made = Resizer(
        HEIGHT,
        "keep_ratio",
        False,
        downscale_interpolation=interpolation,
        encode_quality=95,
    )

    def resize(data: bytes) -> int:
        encoded, *_, error = made(io.BytesIO(data))
        if error is not None:
            raise ValueError(error)
        return len(encoded)

    return resize


PEERS = {
    "pil": lambda: pil,
    "img2dataset-area": lambda: resizer("area"),
    "img2dataset-lanczos": lambda: resizer("lanczos"),
}


def work(
    peer: str,
    pictures: list[bytes],
    seconds: float,
    start: multiprocessing.synchronize.Barrier,
    done,
) -> None:
    run = PEERS[peer]()
    run(pictures[0])
    start.wait()
    before = time.process_time()
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        run(pictures[count % len(pictures)])
        count += 1
    cpu = (time.process_time() - before) * 1000 / count
    done.put((count / (time.monotonic() - end + seconds), cpu))


def main() -> None:
    peer, processes, seconds, folder = (
        sys.argv[1],
        int(sys.argv[2]),
        float(sys.argv[3]),
        Path(sys.argv[4]),
    )
    pictures = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    context = multiprocessing.get_context("fork")
    start, done = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=work, args=(peer, pictures, seconds, start, done)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    figures = [done.get() for _ in workers]
    print(sum(rate for rate, _ in figures), sum(cpu for _, cpu in figures) / processes)
    for worker in workers:
        worker.join()


main()
