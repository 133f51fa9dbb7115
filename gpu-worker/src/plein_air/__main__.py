"""`python -m plein_air`: serves the protocol on stdio; above rank 0, trains along with the process that does."""

import sys

from plein_air.ranks import die_with_launcher, launch, own_rank
from plein_air.server import main as serve
from plein_air.worker_rank import main as follow

if __name__ == "__main__":
    launch()
    die_with_launcher()
    sys.exit(serve() if own_rank() == 0 else follow())
