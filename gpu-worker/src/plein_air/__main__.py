"""`python -m plein_air`: serves the protocol on stdio."""

import sys

from plein_air.server import main

if __name__ == "__main__":
    sys.exit(main())
