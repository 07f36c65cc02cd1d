"""`python -m mixformer` is the command `mixformer`."""

import signal
import sys

from mixformer import _stop_quietly


def run() -> int:
    """The command; Ctrl-C ends it quietly also while Python still imports, or ends itself."""
    try:
        from mixformer.cli import main

        if signal.getsignal(signal.SIGINT) is _stop_quietly:  # from now on there is something that hears it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return main()
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # libraries clear up when Python ends
            signal.signal(signal.SIGINT, _stop_quietly)


if __name__ == "__main__":
    sys.exit(run())
