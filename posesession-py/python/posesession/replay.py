"""A session in real time: for a `for` loop, or an `async for`."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from posesession import _native
from posesession.errors import BadArgumentError
from posesession.frame import Frame
from posesession.skeleton import Skeleton

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing_extensions import Self

__all__ = ["Replay", "ReplayState"]

#: How long a thread waits at most for an `async for` that may have gone away meanwhile, s.
_ASYNC_WAIT_S = 0.25


@dataclass(frozen=True)
class ReplayState:
    """Where a replay stands."""

    status: Literal["paused", "playing", "buffering", "ended"]
    timestamp: float
    """The position, seconds of the session."""
    frame_number: int | None
    """The frame that is shown, None before the first."""
    rate: float
    """1.0 as recorded, negative backwards."""
    epoch: int
    """How many seeks there were."""
    cause: str | None
    """Why it stands still where nobody asked it to."""


class Replay:
    """Frames at their time. Who is late gets the frame that is due now: those in between are skipped, never queued.

    The loop ends where the session (or its range) does; after a `seek` or `play` another loop goes on from there. All commands
    may come from any thread, or from within the loop. While it is paused a loop waits: for `play`, for the frame of a `seek`,
    or for Ctrl-C.

    >>> replay = demo.replay(rate=16.0)
    >>> for frame in replay:
    ...     if replay.state.epoch == 0 and frame.frame_number >= 30:
    ...         replay.seek(fraction=0.9)
    >>> frame.frame_number, replay.state.status
    (89, 'ended')
    >>> replay.close()
    """

    def __init__(self, native: _native.NativeReplay, read_image: Callable[[int], bytes | None]) -> None:
        self._native = native
        self._read_image = read_image
        self._skeleton: Skeleton | None = None
        self._executor: ThreadPoolExecutor | None = None
        # The frame that a thread waits for. It outlives who asked for it, so that a time-out of theirs loses no frame.
        self._coming: Future[_native.NativeFrame | None] | None = None

    @property
    def state(self) -> ReplayState:
        """Where it stands now."""
        state = self._native.state
        return ReplayState(
            status=state["status"],
            timestamp=state["timestamp"],
            frame_number=state["frame_number"],
            rate=state["rate"],
            epoch=state["epoch"],
            cause=state["cause"],
        )

    def next(self, timeout: float | None = None) -> Frame | None:
        """Waits for the next frame, at most `timeout` seconds. None: the time has passed, or the replay has ended: see `state`."""
        frame = self._native.next(timeout)
        return None if frame is None else self._frame(frame)

    def play(self, rate: float | None = None) -> None:
        """Plays on, `rate` times as fast as recorded if it is given. After the end: from the start of the range."""
        self._native.play(rate)

    def pause(self) -> None:
        """Stands still."""
        self._native.pause()

    def seek(
        self,
        timestamp: float | None = None,
        *,
        frame_number: int | None = None,
        fraction: float | None = None,
        mode: Literal["before", "nearest", "exact"] = "before",
    ) -> None:
        """Goes to a moment (s), a frame, or a part of the duration (0 to 1). The frame comes out of the loop, also while paused.

        Raises:
            BadArgumentError: Not exactly one target, or it is out of range.
            FrameNotFoundError: An ``exact`` seek beyond the session's ends.
        """
        if sum(target is not None for target in (timestamp, frame_number, fraction)) != 1:
            raise BadArgumentError("seek() needs one of timestamp, frame_number and fraction")
        self._native.seek(timestamp=timestamp, frame_number=frame_number, fraction=fraction, mode=mode)

    def step(self, frames: int = 1) -> None:
        """Pauses, and goes so many frames forth, or back if negative."""
        self._native.step(frames)

    def set_rate(self, rate: float) -> None:
        """Goes on `rate` times as fast as recorded: -16 to 16, not 0.

        Raises:
            BadArgumentError: It is out of range.
        """
        self._native.set_rate(rate)

    def set_range(
        self,
        start: float | None = None,
        end: float | None = None,
        loop: Literal["none", "loop", "ping_pong"] | None = None,
    ) -> None:
        """Plays only a part: from `start` to `end`, seconds; None: the session's own start or end."""
        self._native.set_range(start, end, loop)

    def close(self) -> None:
        """Ends it: a loop that waits in another thread ends, too. Closing twice is fine."""
        self._native.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        frame = self._native.next()
        if frame is None:
            raise StopIteration
        return self._frame(frame)

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        while True:
            if self._coming is None:
                # A thread of its own: many replays at once would use those of the event loop up.
                if self._executor is None:
                    self._executor = ThreadPoolExecutor(1, "posesession-replay")
                self._coming = self._executor.submit(self._native.next, _ASYNC_WAIT_S)
            coming = self._coming
            frame = None
            try:
                frame = await asyncio.shield(asyncio.wrap_future(coming))
            finally:
                # Cancelled before it is there: the next call takes it.
                if coming.done():
                    self._coming = None
            if frame is not None:
                return self._frame(frame)
            if self._has_ended():
                raise StopAsyncIteration

    def _has_ended(self) -> bool:
        return bool(self._native.state["status"] == "ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self.state
        return f"Replay({state.status} at {state.timestamp:.3f} s, rate {state.rate:g})"

    def _frame(self, frame: _native.NativeFrame) -> Frame:
        facts = self._native.session
        # One that is still being recorded may have learnt its skeleton since.
        if self._skeleton is None and facts["skeleton"] is not None:
            self._skeleton = Skeleton.from_dict(facts["skeleton"])
        return Frame(
            frame_number=frame.frame_number,
            timestamp=frame.timestamp,
            track_ids=frame.track_ids,
            values=frame.values,
            skeleton=self._skeleton,
            read_image=self._read_image,
            epoch=frame.epoch,
        )
