#!/usr/bin/env python3
"""Stands for a test that was not built, since a library is not installed: tests/porting/lacking.py LIBRARY...

Elsewhere it is skipped, in CI it has failed.
"""

import os
import sys

print(f"not installed: {' '.join(sys.argv[1:])}; `./dev test porting` does so on Debian")
sys.exit(1 if os.environ.get("CI") == "true" else 77)
