"""The tracker for the official VOT toolkit. The toolkit runs as a separate program and is never imported here.

`mixformer vot init` writes the toolkit's files; docs/vot.md lists which toolkit version runs which experiments.
"""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.vot.python_protocol import VotTracker as VotTracker
else:
    __getattr__, __dir__, __all__ = lazy_names()
