"""Runs `xylem`, and writes down when it ends which modules it has loaded: in the file `loaded`."""

import sys
from pathlib import Path

from deploy.cli import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        Path("loaded").write_text("\n".join(sys.modules), encoding="utf-8")
