"""What the streaming worker does beside a large state: python -m benchmarks.stream.

Everything counts: the worker is the command's own, in a process of its own, and reads the collector's inbox: decoding, validation,
resolving, buckets, traits, segments, commits. Events come from the demo's visitors, who log in as customers that are
there. They are put into the inbox as the collector does, without HTTP, so that sending does not take the processors away.

    sustained   a backlog that never ends: interactions a second, once the batches have grown
    latency     a steady rate: from received to served, p50 and p99
    batch       one batch of 5,000 events at once, through every stage in turn: seconds, rows written, steps of SQLite, bytes moved
    outage      a backlog of ten minutes, and the traffic goes on: how long until it is gone
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from benchmarks.company import ROOT, settings_in
from benchmarks.on_postgres import at, copied_to
from benchmarks.streaming_state import copy_of, state_of
from customer_profiles.demo.visitors import Crowd, logins, written
from customer_profiles.demo.web import context_of
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.latency import Latency
from customer_profiles.pipeline.stage import Stage
from customer_profiles.pipeline.worker import Pass, Worker
from customer_profiles.settings import Settings
from customer_profiles.sources.inbox import Arrived, append
from customer_profiles.state.engine import State, Store

SOURCE = "site"
WARM = 6
"""Batches before those that count: at first every visitor is new, and later only those who follow others."""
VISITORS = 5_000
"""Who are on the site at the same time."""
STEPS_AT_ONCE = 1_000
"""So many steps of SQLite's virtual machine are counted as one."""
AT_ONCE = 500
"""Events of one transaction of the inbox."""


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class How:
    """How the worker is run.

    Attributes:
        alone: Without a second process.
        profile: A file for its profile.
        url: The Postgres database that its state is in; None for the embedded one.
    """

    alone: bool = False
    profile: str | None = None
    url: str | None = None

    def settings_in(self, folder: Path) -> Settings:
        """The settings with the collector's source alone: the files of the others are not kept."""
        settings = settings_in(folder)
        settings = at(settings, self.url) if self.url else settings
        streaming = settings.streaming.model_copy(update={"second_process": not self.alone})
        return settings.model_copy(
            update={"sources": {SOURCE: settings.sources[SOURCE]}, "streaming": streaming}
        )


class Sender:
    """Puts the visitors' events into the inbox, as the collector does."""

    def __init__(self, state: State, customers: int) -> None:
        dice = random.Random(1)
        self._state = state
        self._accounts = [account for _ in range(4) for account in logins(customers, 1, dice)]
        self._crowd = Crowd(self._accounts, random.Random(), VISITORS, f"{time.time_ns():x}")
        self.sent = 0

    def made(self, count: int, now: float) -> list[Arrived]:
        """The next events, as the collector hands them over."""
        return [
            Arrived(SOURCE, event["messageId"], orjson.dumps(event))
            for event in self._crowd.events(count, now)
        ]

    def introduce(self) -> list[Arrived]:
        """Everybody who may log in, once from each device: a site knows its customers before it is measured."""
        when, found = written(time.time()), []
        for account in {account.user_id: account for account in self._accounts}.values():
            for device in account.devices:
                event = {"anonymousId": device.anonymous_id, "timestamp": when}
                event["context"] = context_of(device.app, device.anonymous_id)
                page, known = {"type": "page", "name": "Home"}, {"userId": account.user_id}
                told = (page, {"type": "identify", "traits": account.traits, **known}, {**page, **known})
                for step, one in enumerate(told):
                    message = {"messageId": f"known-{device.anonymous_id}-{step}", **event, **one}
                    found.append(Arrived(SOURCE, str(message["messageId"]), orjson.dumps(message)))
        return found

    def put(self, events: list[Arrived], now: float) -> None:
        """Into the inbox, received at a moment."""
        for start in range(0, len(events), AT_ONCE):
            with self._state.writing(Store.INBOX) as connection:
                append(connection, [events[start : start + AT_ONCE]], int(now * 1e6))
        self.sent += len(events)

    def send(self, rate: float, stop: threading.Event) -> None:
        """At a steady rate until told to stop."""
        began, done = time.monotonic(), 0
        while not stop.wait(0.05):
            due = int(rate * (time.monotonic() - began)) - done
            if due:
                now = time.time()
                self.put(self.made(due, now), now)
                done += due


@dataclass(frozen=True)
class Told:
    """A pass of the worker, told to the process that measures."""

    at: float
    received: int
    unread: int
    batch: int
    latency: Latency
    seconds: dict[str, float]
    memory: int
    busy: tuple[float, float]
    """Seconds of the processor since the start, of the worker and of the process that looks for it."""


def work(folder: str, how: How, told: Any, stop: Any) -> None:
    """The worker, in a process of its own."""
    settings, profile = how.settings_in(Path(folder)), how.profile

    def passed(one: Pass) -> None:
        seconds: dict[str, float] = {}
        for result in one.results:
            seconds[result.stage] = seconds.get(result.stage, 0.0) + result.seconds
        received = sum(result.received for result in one.results if result.stage == "ingest_interaction")
        told.put(
            Told(
                time.time(),
                received,
                one.unread,
                one.batch_sizes[SOURCE],
                one.latency,
                seconds,
                memory_in_use(),
                (time.process_time(), sum(busy_of(child.pid) for child in multiprocessing.active_children())),
            )
        )

    with open_pipeline(settings) as house:
        worker = Worker(house, passed, on_leading=lambda: told.put("leads"))
        threading.Thread(target=lambda: (stop.wait(), worker.stop()), daemon=True).start()
        threading.Thread(target=left_alone, args=(told, worker), daemon=True).start()
        if profile:
            import cProfile

            profiler = cProfile.Profile()
            profiler.runcall(worker.run)
            profiler.dump_stats(profile)
        else:
            worker.run()


def left_alone(told: Any, worker: Worker) -> None:
    """Stop the worker when the process that measures it was killed."""
    if measures := multiprocessing.parent_process():
        measures.join()
        told.cancel_join_thread()  # nobody reads it any more
        worker.stop()


def memory_in_use() -> int:
    """Bytes that this process and the one that looks for it have now; what they share, as libraries, counts once."""
    processes = ["self", *(child.pid for child in multiprocessing.active_children())]
    told = [Path(f"/proc/{one}/status").read_text().splitlines() for one in processes]

    def each(name: str) -> list[int]:
        return [int(line.split()[1]) * 1024 for lines in told for line in lines if line.startswith(name)]

    return sum(each("RssAnon:")) + max(each("RssFile:"))


def busy_of(process: int | None) -> float:
    """Seconds of the processor that another process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def working(folder: Path, how: How) -> Iterator[Callable[[], list[Told]]]:
    """A worker that drives; gives a function that gives what it told since it was last asked."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as the command does
    context = multiprocessing.get_context("spawn")
    queue, stop = context.Queue(), context.Event()
    process = context.Process(target=work, args=(str(folder), how, queue, stop))
    process.start()
    assert queue.get(timeout=120) == "leads"

    def told() -> list[Told]:
        found = []
        while not queue.empty():
            found.append(queue.get())
        return found

    try:
        yield told
    finally:
        stop.set()
        until = time.monotonic() + 120
        while process.is_alive() and time.monotonic() < until:
            told()  # a process whose queue nobody empties does not end
            process.join(0.1)


def sustained(state: State, folder: Path, how: How, customers: int, seconds: float) -> str:
    """Interactions a second while there is always more to do."""
    sender = Sender(state, customers)
    say("  filling the inbox")
    for _ in range(int(seconds * 40)):
        now = time.time()
        sender.put(sender.made(AT_ONCE, now), now)
    passes: list[Told] = []
    with working(folder, how) as told:
        until = time.monotonic() + 2 * seconds + 60
        while time.monotonic() < until:
            time.sleep(0.5)
            passes += told()
            if passes and passes[-1].unread == 0 and sum(one.received for one in passes) > sender.sent * 0.85:
                break
    # The first passes read in small batches; the last one may be small too.
    full = [one for one in passes if one.batch == max(each.batch for each in passes)][1:-1]
    took = full[-1].at - full[0].at
    by_stage = {
        name: sum(one.seconds.get(name, 0.0) for one in full[1:]) / took
        for one in full
        for name in one.seconds
    }
    shares = ", ".join(f"{name} {share:.0%}" for name, share in by_stage.items())
    events = sum(one.received for one in full[1:])
    rate = events / took
    first, last = full[0].busy, full[-1].busy
    busy = [f"{(after - before) / events * 5_000:.2f}" for before, after in zip(first, last, strict=True)]
    peak = max(one.memory for one in passes) / 1e9
    return (
        f"{rate:,.0f} interactions/s over {took:.0f} s in {len(full)} batches; {shares}; "
        f"processor for 5,000: {busy[0]} s, beside it {busy[1]} s; {peak:.2f} GB"
    )


def latency(state: State, folder: Path, how: How, customers: int, rate: float, seconds: float) -> str:
    """From received to served at a steady rate."""
    sender, stop = Sender(state, customers), threading.Event()
    passes: list[Told] = []
    # At first every visitor is new: so all of them have begun their visits before anything is measured.
    now = time.time()
    sender.put(sender.made(WARM * 5_000, now), now)
    with working(folder, how) as told:
        while not passes or passes[-1].unread:
            time.sleep(0.5)
            passes += told()
        sending = threading.Thread(target=sender.send, args=(rate, stop))
        sending.start()
        time.sleep(5)  # until batches have the size that the rate asks for
        told()
        passes, began = [], time.monotonic()
        while (gone := time.monotonic() - began) < seconds:
            time.sleep(0.5)  # often, for only so much fits between two processes
            passes += told()
            if passes and gone % 300 < 0.5:
                say(f"    after {gone / 60:.0f} minutes: {passes[-1].memory / 1e9:.2f} GB")
        stop.set()
        sending.join()
    for one in passes[-20:]:
        say(f"    {one.received:,} in {sum(one.seconds.values()):.2f} s, {one.latency.events:,} served")
    total = sum((one.latency for one in passes), start=Latency())
    tenth = -(-len(passes) // 10)
    early, late = (max(one.memory for one in some) / 1e9 for some in (passes[:tenth], passes[-tenth:]))
    first, last = total.quantile(0.5) or 0.0, total.quantile(0.99) or 0.0
    served = total.events / seconds
    return (
        f"at {rate:,.0f}/s: p50 {first * 1000:.0f} ms, p99 {last * 1000:.0f} ms, slowest {total.slowest / 1e6:.2f} s; "
        f"{served:,.0f} served a second; {early:.2f} GB in the first tenth of {len(passes):,} passes, {late:.2f} GB in the last"
    )


def batch(state: State, folder: Path, how: How, customers: int, times: int) -> str:
    """The median of batches of 5,000 events, each stage in its turn, in this process."""
    sender = Sender(state, customers)
    with open_pipeline(how.settings_in(folder)) as house:
        stages = stages_of(house)
        drain(stages)
        counts: list[dict[str, float]] = []
        by_stage: list[dict[str, float]] = []
        with counting() as counted:
            for _ in range(WARM + times):
                now = time.time()
                sender.put(sender.made(5_000, now), now)
                counted.clear()
                began, busy, moved = time.perf_counter(), time.process_time(), bytes_moved()
                by_stage.append({})
                counted["resolved"] = drain(stages, by_stage[-1])
                now_moved = bytes_moved()
                counts.append(
                    {
                        "seconds": time.perf_counter() - began,
                        "processor_seconds": time.process_time() - busy,
                        "resolved": counted["resolved"],
                        "rows_written": counted["written"],
                        "sqlite_steps": counted.get("steps", 0) * STEPS_AT_ONCE,
                        "statements": counted["statements"],
                        "mb_read": (now_moved[0] - moved[0]) / 1e6,
                        "mb_written": (now_moved[1] - moved[1]) / 1e6,
                    }
                )
    counts, by_stage = counts[WARM:], by_stage[WARM:]
    median = {name: statistics.median(one[name] for one in counts) for name in counts[0]}
    shares = {name: sum(one[name] for one in by_stage) for name in by_stage[0]}
    told = ", ".join(f"{name} {share / sum(shares.values()):.0%}" for name, share in shares.items())
    return json.dumps({name: round(value, 3) for name, value in median.items()}) + f"; processor: {told}"


def bytes_moved() -> tuple[int, int]:
    """Bytes that this process has read from files and written to them so far, cached or not."""
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(told["rchar"]), int(told["wchar"])


def stages_of(house: Pipeline) -> list[Stage]:
    """Every stage in its order; keep them, as the worker does: what they have read stays warm."""
    return [*house.ingests(), *house.derived()]


def drain(stages: Iterable[Stage], busy: dict[str, float] | None = None) -> int:
    """Every stage once until nothing is left; how many changed records were resolved.

    The processor's seconds of each stage are put into `busy`.
    """
    resolved = 0
    for stage in stages:
        more, began = True, time.process_time()
        while more:
            result = stage.advance(10_000)
            resolved += result.received if stage.name == "resolve" else 0
            more = result.more
        if busy is not None:
            busy[stage.name] = time.process_time() - began
    return resolved


@contextmanager
def counting() -> Iterator[dict[str, float]]:
    """Counts the rows that statements write, and on the embedded state what SQLite does for them, on every connection.

    SQLite's virtual machine takes some steps for each row it looks at, given or not: a scan would show here.
    """
    counts: dict[str, float] = {}

    def sent(
        _connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            rows = len(parameters) if many else max(cursor.rowcount, 0)
            counts["written"] = counts.get("written", 0) + rows
        counts["statements"] = counts.get("statements", 0) + 1

    def stepped() -> int:
        counts["steps"] = counts.get("steps", 0) + 1
        return 0

    def taken(connection: Any, _record: Any, _proxy: Any) -> None:
        if hasattr(connection, "set_progress_handler"):
            connection.set_progress_handler(stepped, STEPS_AT_ONCE)

    sa.event.listen(sa.Engine, "after_cursor_execute", sent)
    sa.event.listen(sa.pool.Pool, "checkout", taken)
    try:
        yield counts
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", sent)
        sa.event.remove(sa.pool.Pool, "checkout", taken)


def outage(state: State, folder: Path, how: How, customers: int, rate: float, minutes: float) -> str:
    """How long until a backlog is gone while the traffic goes on."""
    sender, stop = Sender(state, customers), threading.Event()
    backlog = int(rate * minutes * 60)
    say(f"  putting {backlog:,} events into the inbox")
    now = time.time()
    for done in range(0, backlog, AT_ONCE):
        at = now - minutes * 60 + done / rate
        sender.put(sender.made(AT_ONCE, at), at)
    passes: list[Told] = []
    with working(folder, how) as told:
        began = time.time()
        sending = threading.Thread(target=sender.send, args=(rate, stop))
        sending.start()
        caught_up = None
        while caught_up is None and time.time() - began < 3_600:
            time.sleep(0.5)
            passes += told()
            gone = [one for one in passes if one.unread == 0 and one.batch < 10_000]
            if gone and sum(one.received for one in passes) > backlog * 0.85:
                caught_up = gone[-1].at
        stop.set()
        sending.join()
    assert caught_up is not None
    largest = max(one.batch for one in passes)
    return (
        f"a backlog of {backlog:,} was gone after {caught_up - began:.0f} s while {rate:,.0f}/s came; batches of up to "
        f"{largest:,}; {max(one.memory for one in passes) / 1e9:.2f} GB"
    )


def main() -> None:
    """Run what is asked for and print a line each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stream",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("which", nargs="*", default=["sustained", "latency", "batch", "outage"])
    parser.add_argument(
        "--customers", type=int, default=100_000, help="about so many are there [%(default)s]"
    )
    parser.add_argument("--rate", type=float, default=500, help="of latency and outage [%(default)s]")
    parser.add_argument("--seconds", type=float, default=30, help="of sustained and latency [%(default)s]")
    parser.add_argument("--minutes", type=float, default=10, help="of the outage [%(default)s]")
    parser.add_argument("--times", type=int, default=5, help="batches that are measured [%(default)s]")
    parser.add_argument("--alone", action="store_true", help="sustained without the second process")
    parser.add_argument("--profile", help="a file for the worker's profile")
    parser.add_argument(
        "--postgres",
        metavar="URL",
        help="copy the state into this Postgres database, which is emptied, first",
    )
    given = parser.parse_args()
    kept, embedded = state_of(given.customers, say), How(given.alone, given.profile)
    how = replace(embedded, url=given.postgres)
    say(f"using {kept.relative_to(ROOT)}")
    with open_pipeline(embedded.settings_in(kept)) as house:
        if not (kept / "introduced").exists():
            say("  letting the site know its customers, once")
            sender = Sender(house.state, given.customers)
            sender.put(sender.introduce(), time.time())
            drain(stages_of(house))
            (kept / "introduced").touch()
    for name in given.which:
        with copy_of(kept) as folder:
            if given.postgres:
                copied_to(given.postgres, embedded.settings_in(folder), say)
            with open_pipeline(how.settings_in(folder)) as house:
                measured = house.state, folder, how, given.customers
                if name == "sustained":
                    told = sustained(*measured, given.seconds)
                elif name == "latency":
                    told = latency(*measured, given.rate, given.seconds)
                elif name == "batch":
                    told = batch(*measured, given.times)
                else:
                    told = outage(*measured, given.rate, given.minutes)
        print(f"{given.customers:,} customers, {name}: {told}", flush=True)


if __name__ == "__main__":
    main()
