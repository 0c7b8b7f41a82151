"""``Mirror``: a drop-in for the application's writes, which keeps the shadow of an alias current while a migration is open.

What the driver's collection does with ``data``, ``batch`` and ``tenants`` is done here under the same names. Every write is noted
durably before it is made, so that what fails, or is interrupted, on the side that is not live is paid later by the worker.
"""

from __future__ import annotations

from .mirror import Mirror

__all__ = ["Mirror"]
