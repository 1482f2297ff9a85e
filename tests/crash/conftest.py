import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

KILLS = {}


@pytest.fixture
def kills():
    """Counts the kills by point, for the report."""
    return KILLS


def pytest_terminal_summary(terminalreporter):
    for point, n in sorted(KILLS.items()):
        terminalreporter.write_line(f"killed at {point}: {n} times")
