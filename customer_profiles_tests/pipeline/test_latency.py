"""From received to served: histograms that add up, and what is left out."""

import random

from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.pipeline.latency import Latency

times = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


@given(times, st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_the_true_one_or_up_to_a_tenth_more(micros: list[int], share: float) -> None:
    found = Latency.of(micros).quantile(share)

    place = max(0, -(-int(share * 1_000) * len(micros) // 1_000) - 1)
    true = sorted(micros)[place] / 1_000_000
    assert found is not None
    assert true - 1e-9 <= found <= max(true * 1.1, 0.001) + 1e-9


@given(times, times)
def test_two_batches_together_are_one_batch_of_both(one: list[int], two: list[int]) -> None:
    joined = Latency.of(one) + Latency.of(two)

    assert joined == Latency.of([*one, *two])
    assert joined.events == len(one) + len(two)


def test_a_clock_set_back_gives_no_time_below_zero() -> None:
    found = Latency.of([-5_000_000, 2_000])

    assert found.quantile(0) == 0.001
    assert found.slowest == 2_000


def test_nothing_has_no_quantile() -> None:
    assert Latency().quantile(0.5) is None
    assert Latency.of([]).events == 0


def test_steps_do_not_care_for_order() -> None:
    micros = list(range(0, 5_000_000, 10_007))
    shuffled = random.Random(1).sample(micros, len(micros))

    assert Latency.of(micros) == Latency.of(shuffled)
