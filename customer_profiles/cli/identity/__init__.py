"""`customer-profiles identity`: why records are one customer, and putting right what the graph got wrong."""

from __future__ import annotations

import typer

from customer_profiles.cli.identity import (
    deciding,
    explaining,
    model,
    recounting,
    reviewing,
    unmasking,
    verifying,
)

app = typer.Typer(
    help="Who is who: explain, look at doubtful matches, decide, take decisions back.", no_args_is_help=True
)
app.command("explain")(explaining.explain)
app.command("history")(recounting.history)
app.command("as-of")(recounting.as_of)
app.command("review")(reviewing.review)
app.command("preview")(deciding.preview)
app.command("decide")(deciding.decide)
app.command("undo")(deciding.undo)
app.command("unmerge")(deciding.unmerge)
app.command("decisions")(deciding.decisions)
app.command("unmaskings")(unmasking.unmaskings)
app.command("verify")(verifying.verify)
app.add_typer(model.app, name="model")
