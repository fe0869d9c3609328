"""Assembles the application of `customer-profiles serve`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from customer_profiles.encryption.keys import KeyProvider
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.web.collector import collector_routes
from customer_profiles.web.door import Door
from customer_profiles.web.group_commit import GroupCommit
from customer_profiles.web.metrics import CollectorMetrics, Counted
from customer_profiles.web.refusals import refuse_alike
from customer_profiles.web.write_keys import load_write_keys


def create_app(
    state: State, settings: Settings, keys: KeyProvider, metrics: CollectorMetrics | None = None
) -> FastAPI:
    """The application over an open state whose tables are up to date.

    Args:
        state: The open state.
        settings: All settings.
        keys: Give the keys of write keys and position tokens.
        metrics: Where to count.

    Raises:
        WriteKeyError: the write keys do not tell which source events belong to.
    """
    write_keys = load_write_keys(settings, keys)
    metrics = metrics or CollectorMetrics()
    inbox = GroupCommit(state, settings)
    metrics.watch(inbox)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        inbox.start()
        yield
        inbox.close()

    # No pages that describe the interface: they would be open to everyone.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    refuse_alike(app)
    app.include_router(collector_routes(state, settings, keys, write_keys, inbox, metrics))
    app.add_middleware(Door)
    app.add_middleware(Counted, metrics=metrics)
    return app
