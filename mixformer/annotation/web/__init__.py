"""A page in the browser for annotating videos, and the server behind it: `mixformer web`."""
