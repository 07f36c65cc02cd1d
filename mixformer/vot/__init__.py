"""The tracker under the official VOT toolkit, which runs as a program of its own and is never imported here.

`mixformer vot init` writes the toolkit's files; docs/vot.md says which of its versions can run what.
"""

from mixformer.vot.python_protocol import VotTracker

__all__ = ["VotTracker"]
