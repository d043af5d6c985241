#!/usr/bin/env python3
"""Takes the first C++ program out of a Markdown file, so that what is shown there is built and run:

examples/extract_program.py README.md PROGRAM.cc
"""

import pathlib
import re
import sys

page, program = map(pathlib.Path, sys.argv[1:])
block = re.search(r"^```cpp\n(.*?)^```$", page.read_text(), re.M | re.S)
if not block:
    sys.exit(f"{page} shows no C++ program")
program.write_text(block.group(1))
