"""Train our own heads again, from the data that may train them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

RECIPES = ("voice", "face", "fusion", "sentiment", "mood")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien train RECIPE …`: the rest of the line goes to the recipe."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in RECIPES:
        parser = argparse.ArgumentParser(prog="mien train", description=__doc__)
        parser.add_argument("recipe", choices=RECIPES, help="`mien train RECIPE --help` tells its options")
        parser.parse_args(words)
    try:
        recipe = importlib.import_module(f"models.train.{words[0]}")
    except ImportError as error:
        print(f"mien train: needs {error.name}: pip install 'mien[train]'", file=sys.stderr)
        return 1
    return int(recipe.main(words[1:]))
