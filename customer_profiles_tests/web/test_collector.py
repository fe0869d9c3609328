"""What the collector accepts, it keeps, and it says what it does not accept."""

from __future__ import annotations

from customer_profiles_tests.web.serving import Served, track


def test_a_tracked_event_is_in_the_profile_after_a_run(collector: Served) -> None:
    answer = collector.post("/v1/track", track("m1"))

    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 1
    token = answer.json()["position"]
    assert collector.get(f"/v1/positions/{token}").json() == {"in_profiles": False}
    collector.run()
    assert collector.interactions() == ["m1"]
    assert collector.get(f"/v1/positions/{token}").json() == {"in_profiles": True}
