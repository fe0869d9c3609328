"""The worker's memory: what it let go of is given back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from customer_profiles.pipeline import memory
from customer_profiles.pipeline.memory import Memory
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _pool_as_before() -> Iterator[None]:
    before = pa.default_memory_pool()
    yield
    pa.set_memory_pool(before)


def taken() -> int:
    """Bytes of memory that this process has of its own."""
    told = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in told if line.startswith("Anonymous:")) * 1024


def in_pieces() -> list[bytes]:
    """What is left of much: a piece here and there, so that nothing in between is given back by itself."""
    return [bytes(2_000) for _ in range(100_000)][::100]


def test_what_lies_between_things_that_stay_is_given_back_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    kept_by = Memory()
    kept_by.tidy()
    stays = in_pieces()
    before = taken()
    now[0] += 59
    kept_by.tidy()
    assert taken() > before - 50 * MIB
    now[0] += 2
    kept_by.tidy()
    assert taken() < before - 100 * MIB
    assert len(stays) == 1_000


def test_nothing_of_the_command_is_with_an_allocator_that_keeps_it(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.first_week()
    (tmp_path / "customer_profiles.yaml").write_text(company.text)
    program = """
from customer_profiles.cli.main import app

app(["stream", "--until-quiet"], standalone_mode=False)
import pyarrow as pa
print("kept", pa.mimalloc_memory_pool().max_memory())
"""
    environment = {**os.environ, KEY_VARIABLE: "a5" * 32, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ran.stdout.splitlines()[-1] == "kept 0", ran.stderr
