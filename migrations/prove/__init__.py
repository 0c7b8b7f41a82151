"""``prove``: looks at the indexes themselves, one check a file, and never at our own record of what was done."""

from .verdict import CHECKS, prove, proven, sentence

__all__ = ["CHECKS", "prove", "proven", "sentence"]
