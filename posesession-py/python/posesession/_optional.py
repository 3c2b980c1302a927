"""Packages that are only needed for some things, imported when they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from posesession.errors import MissingDependencyError


def optional(module: str, package: str, extra: str) -> ModuleType:
    """Imports `module`.

    Raises:
        MissingDependencyError: It isn't installed. The text names `package` and the extra of posesession that brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A package that is there but lacks one of its own is another matter, which its own error explains.
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"this needs {package}, which is not installed: pip install {package} (or posesession[{extra}])",
            name=error.name,
        ) from error
