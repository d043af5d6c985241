#!/usr/bin/env python3
"""Takes a C++ program out of a Markdown file, so that what is shown there is built and run:

examples/extract_program.py README.md PROGRAM.cc [WHICH]

WHICH is 1 for the first, as if it were not given.
"""

import pathlib
import re
import sys

page, program = map(pathlib.Path, sys.argv[1:3])
which = int(sys.argv[3]) if len(sys.argv) > 3 else 1
blocks = re.findall(r"^```cpp\n(.*?)^```$", page.read_text(), re.M | re.S)
if len(blocks) < which:
    sys.exit(f"{page} shows {len(blocks)} C++ programs, not {which}")
program.write_text(blocks[which - 1])
