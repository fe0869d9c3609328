"""`customer-profiles rebuild`: everything derived, built anew beside what is live."""

from __future__ import annotations

from customer_profiles.cli.output import JsonOption, err, out, show_json


def rebuild(json: JsonOption = False) -> None:
    """Build a new generation from the stored records, compare it with the live one, and switch.

    Readers see the old generation until the switch, and the new one from then on. Sources are not read again.
    Worth doing after a change of the identity settings, the traits or the segments.

    Example: customer-profiles rebuild
    """
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings

    with (
        err.status("Building a new generation beside the live one …"),
        open_pipeline(load_settings()) as house,
    ):
        rebuilt = house.rebuild()
    if json:
        show_json(rebuilt)
        return
    out.print(
        f"Generation {rebuilt.generation} is live after {rebuilt.seconds:.1f} s: {rebuilt.customers_after:,} customers "
        f"(before: {rebuilt.customers_before:,}), {rebuilt.moved:,} records belong to another customer than before."
    )
