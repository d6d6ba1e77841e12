"""What of these tests can run here."""

from importlib.util import find_spec

# Training needs torch (`pip install mien[train]`), gigabytes with CUDA on x86-64, that CI does without. What is
# arithmetic of ours is proved without it (test_face_plan, test_face_widths); these tests, of what torch makes of it,
# are for who trains. They are not collected there, since a skipped test fails CI (`MIEN_NO_SKIP`), and the run says so.
collect_ignore = [] if find_spec("torch") else ["test_face.py"]


def pytest_report_collectionfinish() -> list[str]:
    """Name what was left out."""
    return [f"tests/models/train/{name} was left out: needs torch (pip install mien[train])" for name in collect_ignore]
