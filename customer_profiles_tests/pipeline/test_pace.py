"""How large batches are, and how long waits grow."""

import random

from customer_profiles.pipeline.pace import Backoff, BatchSize


def test_batches_grow_with_the_backlog_and_shrink_without_it_within_their_bounds() -> None:
    size = BatchSize.between(500, 3_000)
    sizes = []
    for more in (True, True, True, True, False, False, False, False):
        size = size.after(more)
        sizes.append(size.now)

    assert sizes == [1_000, 2_000, 3_000, 3_000, 1_500, 750, 500, 500]


def test_waits_grow_twofold_up_to_the_longest_and_are_never_in_step() -> None:
    backoff, dice = Backoff(1.0, 60.0), random.Random(1)

    for failures in (1, 2, 3, 6, 7, 50, 100_000):
        step = min(60.0, 2.0 ** min(failures - 1, 60))
        waits = {backoff.wait(failures, dice) for _ in range(50)}
        assert len(waits) == 50
        assert step / 2 <= min(waits)
        assert max(waits) <= step
