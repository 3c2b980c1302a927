"""Every example of the documentation runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

import posesession as ps

MODULES = sorted(
    {"posesession"}
    | {f"posesession.{found.name}" for found in pkgutil.iter_modules(ps.__path__) if found.name not in ("_native", "__main__")}
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "examples"
    folder.mkdir()
    monkeypatch.chdir(folder)
    module = importlib.import_module(name)
    # Only what it names: a server takes its time to start and to stop.
    code = " ".join(line for line in inspect.getsource(module).splitlines() if line.lstrip().startswith((">>>", "...")))
    # The store has the demonstration in it.
    code = code.replace("store", "store demo")
    given = {name: request.getfixturevalue(name) for name in ("demo", "server", "store") if re.search(rf"\b{name}\b", code)}
    result = doctest.testmod(module, extraglobs={"ps": ps, "np": np, **given}, optionflags=OPTIONS)
    assert result.failed == 0


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # A fence after an example's output is none of it.
    guide = re.sub(r"^```.*$", "", (ROOT / "docs" / "python.md").read_text(), flags=re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest(guide, {}, "docs/python.md", "docs/python.md", 0)
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(examples)
    assert result.attempted > 20 and result.failed == 0


def test_everything_public_is_documented() -> None:
    for module in map(importlib.import_module, MODULES):
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if isinstance(thing, type):
                assert thing.__doc__, name
                undocumented = [
                    member
                    for member, value in vars(thing).items()
                    if not member.startswith("_") and (callable(value) or isinstance(value, property)) and not value.__doc__
                ]
                assert not undocumented, f"{name}: {undocumented}"
