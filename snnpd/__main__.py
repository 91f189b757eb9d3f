"""`python -m snnpd` is `snnpd`."""

import sys

from snnpd.cli import main

if __name__ == "__main__":
    sys.exit(main())
