#!/usr/bin/env python3
"""Prints the headline figures of a comparison as a Markdown table, from the JSON of `./dev compare`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays as it was

from harness.figures import headline_figures
from harness.headline import placed, table
from harness.model import BenchError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, metavar="RESULTS.json")
    parser.add_argument("--into", type=Path, metavar="FILE", help="replace the table in this file")
    arguments = parser.parse_args()
    figures = headline_figures(json.loads(arguments.results.read_text())["results"])
    if not figures:
        raise BenchError(f"{arguments.results} has no figure of weft")
    if arguments.into is None:
        print(table(figures))
    else:
        arguments.into.write_text(placed(arguments.into.read_text(), table(figures)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, OSError, ValueError, LookupError) as error:
        print(f"headline: {error}", file=sys.stderr)
        sys.exit(1)
