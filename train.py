"""The one script: `python train.py [options]` is `snnpd train [options]`."""

import sys

from snnpd.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
