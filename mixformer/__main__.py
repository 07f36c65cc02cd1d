"""`python -m mixformer` is the command `mixformer`."""

from mixformer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
