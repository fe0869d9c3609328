"""`customer-profiles serve`: the HTTP door, with the collector behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.new_key import telling_of_a_new_key
from customer_profiles.cli.output import out, say, show_table

if TYPE_CHECKING:
    from customer_profiles.settings import Settings


def serve(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port. [default: collector.port of the settings]")
    ] = None,
    write_keys: Annotated[
        bool, typer.Option("--write-keys", help="Show the write key of each source and end.")
    ] = False,
) -> None:
    """Take events over HTTP as the Segment tracking API does; what is accepted is durable before the answer.

    Clients of Segment and RudderStack work unchanged: give them this address and a write key.
    `customer-profiles stream` brings the events into the profiles as they come, `customer-profiles run` once. Stop it with
    Ctrl-C, or kill it: nothing accepted is lost.

    Examples: customer-profiles serve

    customer-profiles serve --write-keys
    """
    import uvicorn

    from customer_profiles.monitoring.metrics import showing
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings
    from customer_profiles.web.app import create_app
    from customer_profiles.web.metrics import CollectorMetrics

    settings = load_settings()
    if write_keys:
        _show_write_keys(settings)
        return
    host, port = settings.collector.host, port or settings.collector.port
    metrics, on = CollectorMetrics(), settings.metrics
    with (
        telling_of_a_new_key(settings),
        open_pipeline(settings) as house,
        showing(metrics.registry, on.host, on.collector_port),
    ):
        app = create_app(house.state, settings, house.keys, metrics)
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,  # a path may hold a position, and logs live longer than events
            log_level="warning",
            server_header=False,
            timeout_keep_alive=75,
        )
        out.print(f"Taking events on [bold]http://{host}:{port}[/bold] (stop it with Ctrl-C).")
        uvicorn.Server(config).run()


def _show_write_keys(settings: Settings) -> None:
    from customer_profiles.encryption.keys import open_keys
    from customer_profiles.web.write_keys import load_write_keys

    with telling_of_a_new_key(settings):
        found = load_write_keys(settings, open_keys(settings.state.key, settings.folder))
    show_table("", ("source", "write key"), sorted((source, key) for key, source in found.items()))
    say("Next: docs/collector.md says where each client wants it.")
