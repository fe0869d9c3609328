"""Make the priors that ship with the package: `python -m customer_profiles.identity.model.priors.build`.

A model is trained from scratch on invented people (`generic_people.py`) and written beside this file.
Needed again when a comparison changes its levels, or Splink its version.
"""

from pathlib import Path

from customer_profiles.identity.model.priors.generic_people import generic_records
from customer_profiles.identity.model.training import train_from
from customer_profiles.settings.identity import IdentitySettings

PEOPLE = 15_000


def main() -> None:
    """Train the priors and write `bundle.zip`."""
    records, _ = generic_records(PEOPLE, seed=7)
    bundle = train_from(records, IdentitySettings(), seed=7, priors=None, enough=True)
    target = Path(__file__).with_name("bundle.zip")
    target.write_bytes(bundle.to_bytes())
    print(f"{target.name}: {target.stat().st_size:,} bytes, trained on {records.num_rows:,} invented records")


if __name__ == "__main__":
    main()
