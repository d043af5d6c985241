#!/usr/bin/env python3
"""Keeps the house rules that a compiler does not: tests/tidy/tidy.py [--root DIR] [CHECK...]"""

import argparse
import pathlib
import sys

import checks
import design_names

CHECKS = {
    "layers": checks.check_layers,
    "sizes": checks.check_sizes,
    "words": checks.check_words,
    "headers": checks.check_headers,
    "lists": checks.check_lists,
    "design": design_names.check_design,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=" ".join(CHECKS))
    args = parser.parse_args()
    for name in args.checks:
        if name not in CHECKS:
            parser.error(f"no check '{name}' (checks: {' '.join(CHECKS)})")

    tree = checks.Tree(args.root)
    if not tree.files:
        sys.exit(f"{tree.root}: no files, so nothing was checked")
    violations = 0
    for name in args.checks or CHECKS:
        for place, message in CHECKS[name](tree):
            print(f"{place}: {message} [{name}]")
            violations += 1
    print(f"{violations} violations in {len(tree.files)} files")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
