"""Each kind of receiver is spoken to in its own protocol, as a real one of its kind hears it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from customer_profiles.monitoring.alarms.alarm import Alarm, Event, Finding, Name, Notice, Severity
from customer_profiles.monitoring.alarms.book import Book
from customer_profiles.monitoring.alarms.courier import Courier
from customer_profiles.monitoring.alarms.page import page_of
from customer_profiles.monitoring.alarms.receivers.build import SecretMissing, build_receivers
from customer_profiles.monitoring.alarms.receivers.receiver import DeliveryError, Receiver
from customer_profiles.monitoring.alarms.rules import Judgement
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles_tests.monitoring.alarms_made import NOW, SECOND
from customer_profiles_tests.monitoring.listeners import Listeners, listeners
from customer_profiles_tests.web.serving import wait_until

RUNBOOKS = "https://wiki.otherby.example/runbooks"
FINDING = Finding(
    Name.SLA_BROKEN,
    "",
    Severity.CRITICAL,
    NOW,
    "Profiles are 61 s behind, more than the SLA allows (60 s).",
    {"how far behind": "61 s", "likely stage": "resolve: <no> bundle & no priors"},
)
OPENED = Alarm.of(FINDING, NOW + SECOND)
OVER = replace(OPENED, resolved_at=NOW + 90 * SECOND)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    with listeners(tmp_path_factory.mktemp("listeners")) as made:
        yield made


@pytest.fixture(autouse=True)
def _forgets(heard: Listeners) -> None:
    heard.hub.heard.clear()
    heard.mailbox.messages.clear()
    heard.hub.status = 202


def settings(heard: Listeners) -> Settings:
    text = f"company: Otherby\nalarms:\n  runbooks: {RUNBOOKS}{heard.settings}"
    return settings_from_text(text, Path("/shop/customer_profiles.yaml"), {})


@pytest.fixture
def receivers(heard: Listeners) -> Iterator[dict[str, Receiver]]:
    built = build_receivers(settings(heard), heard.secrets)
    yield built
    for one in built.values():
        one.close()


def tell(receiver: Receiver, *alarms: Alarm) -> None:
    for alarm in alarms:
        notice = Notice(1, "any", Event.OPEN if alarm.resolved_at is None else Event.RESOLVE, alarm)
        receiver.deliver(notice, page_of(notice, "Otherby", RUNBOOKS))


def test_every_kind_of_receiver_hears_that_it_began_and_that_it_is_over(
    receivers: dict[str, Receiver], heard: Listeners
) -> None:
    for name, receiver in receivers.items():
        tell(receiver, OPENED)
        wait_until(lambda name=name: heard.told("sla_broken")[name] == ["open"])
    for receiver in receivers.values():
        tell(receiver, replace(OPENED, resolved_at=NOW + 90 * SECOND))

    wait_until(lambda: set(map(tuple, heard.told("sla_broken").values())) == {("open", "resolve")})


def test_pagerduty_gets_what_its_events_api_asks_for(
    receivers: dict[str, Receiver], heard: Listeners
) -> None:
    tell(receivers["duty"], OPENED, OVER)

    trigger, resolve = (one.body for one in heard.hub.at("/duty/v2/enqueue"))
    assert trigger["routing_key"] == resolve["routing_key"] == "a-routing-key"
    assert trigger["dedup_key"] == resolve["dedup_key"] == "customer_profiles/Otherby/sla_broken"
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert {"summary", "source", "severity"} <= trigger["payload"].keys()
    assert trigger["payload"]["severity"] in {"critical", "error", "warning", "info"}
    assert trigger["links"] == [{"href": f"{RUNBOOKS}/sla_broken.md", "text": "Runbook"}]
    assert trigger["payload"]["custom_details"]["likely stage"] == "resolve: <no> bundle & no priors"


def test_a_message_in_slack_links_and_calls_nobody(receivers: dict[str, Receiver], heard: Listeners) -> None:
    tell(receivers["chat"], OPENED)

    (said,) = heard.hub.at("/chat/a-secret")
    assert "resolve: &lt;no&gt; bundle &amp; no priors" in said.body["text"]


def test_a_mail_that_it_is_over_answers_the_one_that_it_began(
    receivers: dict[str, Receiver], heard: Listeners
) -> None:
    tell(receivers["mail"], OPENED, OVER, OPENED)

    opened, over, again = heard.mailbox.messages
    assert over["In-Reply-To"] == opened["Message-ID"] == again["Message-ID"]
    assert (opened["From"], opened["To"]) == ("watch@otherby.example", "oncall@otherby.example")
    assert "likely stage: resolve" in str(opened.get_payload(decode=True), "utf-8")


def test_a_webhook_hears_the_same_id_both_times_and_a_bearer_token(
    receivers: dict[str, Receiver], heard: Listeners
) -> None:
    tell(receivers["hook"], OPENED, OVER)

    opened, over = heard.hub.at("/hook")
    assert opened.body["id"] == over.body["id"] == OPENED.alarm_id
    assert opened.headers["Authorization"] == "Bearer a-token"
    assert over.body["resolved_at"] == "2025-11-24T16:01:30.000Z"


def test_a_page_says_what_since_when_how_far_behind_where_and_what_to_do() -> None:
    page = page_of(Notice(1, "any", Event.OPEN, OPENED), "Otherby", RUNBOOKS)

    assert page.title == "CRITICAL: Profiles are 61 s behind, more than the SLA allows (60 s). (Otherby)"
    assert list(page.lines) == ["what", "since", "how far behind", "likely stage", "runbook", "alarm"]
    assert page.lines["since"] == "2025-11-24T16:00:00.000Z"


def test_alertmanager_keeps_an_alarm_that_is_told_again_as_one_and_hears_that_somebody_watches(
    receivers: dict[str, Receiver], heard: Listeners
) -> None:
    stage = Alarm.of(replace(FINDING, name=Name.STAGE_FAILING, subject="resolve"), NOW)
    for _ in range(3):
        tell(receivers["manager"], stage)
        receivers["manager"].remind([stage])

    wait_until(lambda: len(heard.hub.at("/alive")) >= 2)  # again and again, for a dead man's switch
    assert heard.told("stage_failing")["manager"] == ["open"]
    tell(receivers["manager"], replace(stage, resolved_at=NOW + SECOND))
    wait_until(lambda: heard.told("stage_failing")["manager"] == ["open", "resolve"])


def test_what_is_not_taken_is_told_again_in_order_and_holds_nobody_else_up(
    receivers: dict[str, Receiver], heard: Listeners
) -> None:
    book = Book(dict.fromkeys(("hook", "mail"), "warning"), open_after=0, close_after=0)
    heard.hub.status = 503
    couriers = [
        Courier(
            name, receivers[name], book, lambda notice: page_of(notice, "Otherby", RUNBOOKS), clock=Jumping()
        )
        for name in ("hook", "mail")
    ]
    book.update(Judgement((FINDING,)), NOW)
    book.update(Judgement(()), NOW + SECOND)
    book.update(Judgement((replace(FINDING, since=NOW + SECOND),)), NOW + 2 * SECOND)

    assert [courier.deliver() for courier in couriers] == [False, True]
    assert heard.told("sla_broken")["mail"] == ["open", "resolve", "open"]
    assert [courier.deliver() for courier in couriers] == [False, True]
    heard.hub.status = 202
    assert couriers[0].deliver()
    assert heard.told("sla_broken")["hook"] == ["open", "resolve", "open"]
    assert couriers[0].deliver()
    assert len(heard.hub.at("/hook")) == 3


class Jumping:
    """A clock that goes on by a minute with every look: no wait is too long."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.mark.parametrize("name", ["manager", "duty", "chat", "mail", "hook"])
def test_a_receiver_that_is_not_there_is_told_of_without_its_secret(name: str, heard: Listeners) -> None:
    text = f"alarms:{heard.settings}".replace(str(heard.mailbox.port), "1").replace(
        heard.alertmanager.url, "http://127.0.0.1:1"
    )
    nowhere = heard.hub.url.replace(heard.hub.url.rpartition(":")[2], "1")
    secrets = {variable: value.replace(heard.hub.url, nowhere) for variable, value in heard.secrets.items()}
    built = build_receivers(
        settings_from_text(text.replace(heard.hub.url, nowhere), Path("/shop/customer_profiles.yaml"), {}),
        secrets,
    )

    with pytest.raises(DeliveryError) as caught:
        tell(built[name], OPENED)
    assert not any(secret in str(caught.value) for secret in secrets.values())


def test_a_secret_that_is_not_set_is_named(heard: Listeners) -> None:
    with pytest.raises(SecretMissing, match=r"TEST_DUTY, a secret of alarms\.receivers\.duty, is not set"):
        build_receivers(settings(heard), {})
