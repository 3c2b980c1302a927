"""``python -m posesession``: the command line."""

import sys

from posesession._cli import main

if __name__ == "__main__":
    sys.exit(main())
