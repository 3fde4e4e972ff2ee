"""Compares what was measured with what README.md says, or writes it there.

python3 readme.py check|write MATRIX README
"""

import difflib
import sys
from pathlib import Path

BEGIN, END = "<!-- begin generated: peers -->\n", "<!-- end generated: peers -->"

mode, matrix, readme = sys.argv[1], Path(sys.argv[2]).read_text(), Path(sys.argv[3])
before, rest = readme.read_text().split(BEGIN, 1)
said, after = rest.split(END, 1)
if mode == "write":
    readme.write_text(before + BEGIN + matrix + END + after)
elif said != matrix:
    print("\n".join(difflib.unified_diff(said.splitlines(), matrix.splitlines(), "README.md", "measured", lineterm="", n=0)))
    raise SystemExit(1)
