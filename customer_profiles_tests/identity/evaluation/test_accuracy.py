"""How well the default configuration links records that it was not made for."""

from pathlib import Path

import pytest

from benchmarks.datasets import TRUTH, write_febrl
from customer_profiles.identity.evaluation.evaluation import evaluate
from customer_profiles.identity.evaluation.labelled_file import read_labelled_file
from customer_profiles.identity.linking import link
from customer_profiles.identity.model.training import train
from customer_profiles.settings import IdentitySettings


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FEBRL 3", "FEBRL 4"])
def test_febrl_without_its_social_security_number_is_linked_nearly_whole(name: str, tmp_path: Path) -> None:
    file = read_labelled_file(write_febrl(name, tmp_path), TRUTH)
    settings = IdentitySettings()

    bundle = train(file.records, settings, settings.training.seed)
    labels = link(file.records, bundle, settings).clustering.labels.tolist()

    assert evaluate(labels, file.truth).pairs.f1 >= 0.998
