from pathlib import Path

import pytest

from customer_profiles.demo import DemoSummary, generate


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    """The demo company as a first run makes it."""
    return generate(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def folder(company: DemoSummary) -> Path:
    return company.folder
