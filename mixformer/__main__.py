"""`python -m mixformer` is the command `mixformer`."""

import sys


def run() -> int:
    """The command; Ctrl-C ends it quietly also while Python still imports."""
    try:
        from mixformer.cli import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
