"""What of these tests can run here."""

from importlib.util import find_spec

# Training needs torch (`pip install mien[train]`), 800 MB that CI does without: these tests are for who trains.
collect_ignore = [] if find_spec("torch") else ["test_face.py"]
