"""What all tests share: where the labelled data lies, and which models are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No limit on the time of an example: a busy machine may stop for a second anywhere. In CI the examples are the same
# each time: a change is judged by what its author can repeat; new ones are looked for wherever else the tests run.
settings.register_profile(
    "mien",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("MIEN_NO_SKIP")),
)
settings.load_profile("mien")


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests write nothing into the state folder of whoever runs them."""
    os.environ["MIEN_STATE"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The labelled data (`MIEN_DATA`); the test skips without it."""
    folder = os.environ.get("MIEN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set MIEN_DATA to the folder of labelled data")
    return Path(folder)


@pytest.fixture(scope="session")
def clips(data: Path) -> list[Path]:
    """Four clips of talking people."""
    return sorted((data / "clips").glob("*.mpg"))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where everything is installed (`MIEN_NO_SKIP`, set in CI), a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and os.environ.get("MIEN_NO_SKIP") and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
