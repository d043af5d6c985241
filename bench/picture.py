#!/usr/bin/python3
"""Draws a comparison again, from the JSON that `./dev compare --json` wrote."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays as it was

from harness.figures import headline_figures
from harness.model import BenchError
from harness.picture import draw


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, metavar="RESULTS.json")
    parser.add_argument("picture", type=Path, metavar="PICTURE.svg")
    arguments = parser.parse_args()
    document = json.loads(arguments.results.read_text())
    draw(headline_figures(document["results"]), document["header"], arguments.picture)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, OSError, ValueError, LookupError) as error:
        print(f"picture: {error}", file=sys.stderr)
        sys.exit(1)
