"""What goes wrong with one request."""

from __future__ import annotations

__all__ = ["Fault"]


class Fault:
    """What goes wrong with one request.

    Args:
        kind: ``429``, ``500``, ``reset`` (before it is done), ``lost`` (done, and the answer lost), ``timeout`` (done,
            and the answer late), ``truncated`` (done, and half an answer), ``twice`` (done two times).
    """

    KINDS = ("429", "500", "reset", "lost", "timeout", "truncated", "twice")

    def __init__(self, kind: str, *, after: int) -> None:
        assert kind in self.KINDS, kind
        self.kind, self.after = kind, after
