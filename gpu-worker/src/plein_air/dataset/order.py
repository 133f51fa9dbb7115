"""Which samples a micro-step sees: a function of its number, so that training can start anywhere.

A batch holds one bucket's samples (one width and height). A bucket's samples form an endless stream, epoch after epoch,
each epoch a permutation of all of them; batches are cut from that stream one after the other, always full. In epoch e
a bucket gives the batches that end within its e-th pass, and the batches of all buckets are shuffled together.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from plein_air.errors import TrainerError
from plein_air.randomness import draw, shuffled


class Order:
    """Batches of sample ids by micro-step."""

    def __init__(self, buckets: Mapping[str, list[str]], batch_size: int, seed: int) -> None:
        """Takes the ids of each bucket; their order does not matter."""
        if not any(buckets.values()):
            raise TrainerError("BadData", "Expected at least one picture to train on, got none: check the train split.")
        self._buckets = {name: sorted(ids) for name, ids in sorted(buckets.items()) if ids}
        self._batch = batch_size
        self._seed = seed
        self._permutation = lru_cache(maxsize=4 * len(self._buckets))(self._permute)
        self._epoch = lru_cache(maxsize=2)(self._shuffle_epoch)

    def batch(self, micro_step: int) -> tuple[str, tuple[str, ...]]:
        """Bucket and ids of a micro-step; a bucket smaller than the batch repeats ids."""
        epoch = self.epoch_of(micro_step)
        bucket, index = self._epoch(epoch)[micro_step - self._batches_before(epoch)]
        ids = self._buckets[bucket]
        first = index * self._batch
        chosen = (divmod(position, len(ids)) for position in range(first, first + self._batch))
        return bucket, tuple(self._permutation(bucket, turn)[place] for turn, place in chosen)

    def epoch_of(self, micro_step: int) -> int:
        """The epoch in which a micro-step lies, from 0."""
        low, high = 0, 1
        while self._batches_before(high) <= micro_step:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._batches_before(middle) <= micro_step else (low, middle)
        return low

    def _batches_before(self, epoch: int) -> int:
        return sum(epoch * len(ids) // self._batch for ids in self._buckets.values())

    def _shuffle_epoch(self, epoch: int) -> list[tuple[str, int]]:
        batches = [
            (bucket, index)
            for bucket, ids in self._buckets.items()
            for index in range(epoch * len(ids) // self._batch, (epoch + 1) * len(ids) // self._batch)
        ]
        return sorted(batches, key=lambda batch: (draw(self._seed, "epoch", epoch, *batch), batch))

    def _permute(self, bucket: str, turn: int) -> list[str]:
        return shuffled(self._buckets[bucket], self._seed, "order", bucket, turn)
