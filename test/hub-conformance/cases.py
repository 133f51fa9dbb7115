"""Runs named cases one after another and prints one JSON line a case."""

import json
import sys
import time
import traceback
from collections.abc import Callable


def run_cases(cases: list[Callable[[], None]]) -> None:
    """Runs the cases named on the command line, or all of them; a failing case does not stop the next."""
    wanted = set(sys.argv[1:])
    for case in cases:
        if wanted and case.__name__ not in wanted:
            continue
        start = time.monotonic()
        try:
            case()
            error = None
        except BaseException:  # a case may end in SystemExit
            error = traceback.format_exc()
        line = {"case": case.__name__, "error": error, "seconds": round(time.monotonic() - start, 2)}
        print(json.dumps(line), flush=True)
