"""The limit of files that a process may have open."""

from __future__ import annotations

import sys


def allow_open_files(need: int) -> int:
    """Raise this process's limit of open files to what is needed, if the system lets it.

    Returns:
        The number of files that may be open: `need` or more, or else the limit that stays.

    Example:
        >>> from mixformer.files.open_files import allow_open_files
        >>> allow_open_files(10) >= 10
        True
    """
    if sys.platform == "win32":
        return need
    import resource

    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= need:
        return need
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, most))
    except (ValueError, OSError):
        return limit
    return need
