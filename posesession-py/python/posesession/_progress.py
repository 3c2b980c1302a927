"""How far a long work is: told to a tqdm, or to anything that can be called as tqdm can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias, cast

from posesession._optional import optional


class Bar(Protocol):
    """What is used of a tqdm."""

    total: float | None

    def update(self, n: int, /) -> object: ...
    def close(self) -> object: ...


#: `False` or `None`: nothing is shown. `True`: `tqdm.auto.tqdm`. Else what makes a bar: called with `total`, `unit`, `desc` and
#: `unit_scale` by name, as the class `tqdm` and those made after it.
Progress: TypeAlias = "bool | Callable[..., Any] | None"


@contextmanager
def stepping(progress: Progress, total: int, unit: str, description: str) -> Iterator[Callable[[int], object]]:
    """Shows a bar meanwhile. Yields what is to be called with how many more `unit`s are done."""
    bar = make_bar(progress, total, unit, description)
    if bar is None:
        yield lambda more: None
        return
    try:
        yield bar.update
    finally:
        bar.close()


@contextmanager
def counting_bytes(progress: Progress, description: str) -> Iterator[Callable[[int, int], object] | None]:
    """Shows a bar meanwhile. Yields what is to be called with (bytes done, bytes in all; 0: unknown), None if nothing is shown."""
    bar = make_bar(progress, None, "B", description)
    if bar is None:
        yield None
        return
    seen = 0

    def tell(done: int, total: int) -> None:
        nonlocal seen
        if total:
            bar.total = total
        bar.update(done - seen)
        seen = done

    try:
        yield tell
    finally:
        bar.close()


def make_bar(progress: Progress, total: int | None, unit: str, description: str) -> Bar | None:
    """Makes the bar that `progress` stands for, None for none."""
    if progress is None or progress is False:
        return None
    factory: Callable[..., Any] = optional("tqdm.auto", "tqdm", "progress").tqdm if progress is True else progress
    bar = factory(total=total, unit=unit, desc=description, unit_scale=unit == "B")
    return cast(Bar, bar)
