"""A page in the browser for annotating videos, and the server behind it: `mixformer web`."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.annotation.web.page_server import serve as serve
    from mixformer.annotation.web.web_app import WebSettings as WebSettings, create_app as create_app

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".page_server": "serve",
        ".web_app": "WebSettings create_app",
    },
)
