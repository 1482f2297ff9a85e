import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from weir import TOP, Weir  # noqa: E402

GO_PEERS = ["grpcurl", "grpc-health-probe", "zipkin", "mixc", "cexl", "prometheus"]


@pytest.fixture
def weir(tmp_path):
    """A running weir with an empty store; its ledger must close at the end, and it must stop cleanly."""
    with Weir(tmp_path / "weir") as running:
        yield running
        running.ledger()


@pytest.fixture(scope="session")
def binaries():
    """The folder of the peers that Go builds (or PEERS_GO, one that has them), built when one is missing."""
    folder = pathlib.Path(os.environ.get("PEERS_GO", TOP / "build-peer"))
    if not all((folder / name).exists() for name in GO_PEERS):
        subprocess.run([str(TOP / "tests/support/peers/setup"), str(folder)], check=True, timeout=1800)
    return folder
