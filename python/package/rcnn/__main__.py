"""The program: ``rcnn`` or ``python -m rcnn``."""

from __future__ import annotations

import signal
import sys

from rcnn import _rcnn, _runtime


def main() -> int:
    """Runs the command line in this process; gives its exit code."""
    _runtime.bring()
    # Python would only note the signal, and look at it when the command is over.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _rcnn.main(["rcnn", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
