import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from weir import Weir  # noqa: E402


@pytest.fixture
def weir(tmp_path):
    """A running weir with an empty store; its ledger must close at the end, and it must stop cleanly."""
    with Weir(tmp_path / "weir") as running:
        yield running
        running.ledger()
