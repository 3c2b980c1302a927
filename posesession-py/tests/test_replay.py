"""Sessions in real time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import posesession as ps


def test_a_loop_gets_the_frames_in_order_until_the_end(demo: ps.Session) -> None:
    with demo.replay(rate=8.0) as replay:
        frames = list(replay)
        assert replay.state.status == "ended"
    numbers = [frame.frame_number for frame in frames]
    # Who is late misses some, but never the last.
    assert numbers[-1] == 89
    assert all(a < b for a, b in zip(numbers, numbers[1:]))
    for frame in frames[:: max(1, len(frames) // 5)]:
        np.testing.assert_array_equal(frame.keypoints, demo.keypoints[frame.frame_number])
        assert frame["pose"].shape == (1, 33, 4)


def test_async_for(demo: ps.Session) -> None:
    async def collect() -> list[int]:
        async with demo.replay(rate=8.0) as replay:
            return [frame.frame_number async for frame in replay]

    numbers = asyncio.run(collect())
    assert numbers[-1] == 89 and numbers == sorted(set(numbers))


def test_many_async_replays_at_once(demo: ps.Session) -> None:
    async def last_of(replay: ps.Replay) -> int:
        number = -1
        async with replay:
            async for frame in replay:
                number = frame.frame_number
        return number

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(last_of(demo.replay(rate=8.0)) for _ in range(20)))

    assert asyncio.run(all_of_them()) == [89] * 20


def test_a_time_out_of_an_async_wait_loses_no_frame(demo: ps.Session) -> None:
    async def wait() -> int:
        async with demo.replay(autoplay=False) as replay:
            assert (await anext(replay)).frame_number == 0
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(replay), 0.01)
            replay.seek(frame_number=42)
            return (await anext(replay)).frame_number

    assert asyncio.run(wait()) == 42


def test_seek_while_paused_shows_one_frame(demo: ps.Session) -> None:
    with demo.replay(autoplay=False) as replay:
        first = replay.next(5.0)
        assert first is not None and first.frame_number == 0
        targets: list[tuple[dict[str, Any], int]] = [({"timestamp": 1.02}, 30), ({"frame_number": 7}, 7), ({"fraction": 1.0}, 89)]
        for epoch, (target, number) in enumerate(targets, 1):
            replay.seek(**target)
            frame = replay.next(5.0)
            assert frame is not None and frame.frame_number == number and frame.epoch == epoch
        assert replay.next(0.05) is None and replay.state.status == "paused"


def test_step_and_pause(demo: ps.Session) -> None:
    with demo.replay(autoplay=False) as replay:
        assert replay.next(5.0) is not None
        replay.step(3)
        frame = replay.next(5.0)
        assert frame is not None and frame.frame_number == 3
        replay.step(-2)
        frame = replay.next(5.0)
        assert frame is not None and frame.frame_number == 1


def test_ended_is_not_a_trap(demo: ps.Session) -> None:
    with demo.replay(rate=16.0, start=2.5) as replay:
        first = [frame.frame_number for frame in replay]
        replay.play()
        again = [frame.frame_number for frame in replay]
    assert first[-1] == again[-1] == 89
    assert min(again) >= 75


def test_backwards(demo: ps.Session) -> None:
    with demo.replay(rate=-8.0) as replay:
        numbers = [frame.frame_number for frame in replay]
    assert numbers[-1] == 0 and numbers[0] > 45 and numbers == sorted(numbers, reverse=True)
    with demo[30:61].replay(rate=-8.0) as replay:
        numbers = [frame.frame_number for frame in replay]
    assert numbers[-1] == 30 and 45 < numbers[0] <= 60


def test_a_part_replays_itself(demo: ps.Session) -> None:
    with demo.between(1.0, 1.5).replay(rate=8.0) as replay:
        numbers = [frame.frame_number for frame in replay]
    assert numbers[0] >= 30 and numbers[-1] == 45


def test_closing_ends_a_loop_in_another_thread(demo: ps.Session) -> None:
    replay = demo.replay(autoplay=False)
    waiting = threading.Event()
    ended = threading.Event()

    def loop() -> None:
        try:
            for _ in replay:
                waiting.set()
        except ps.errors.ClosedError:
            pass
        ended.set()

    thread = threading.Thread(target=loop)
    thread.start()
    assert waiting.wait(10.0)
    replay.close()
    assert ended.wait(10.0)
    thread.join()


def test_wrong_commands(demo: ps.Session) -> None:
    with demo.replay(autoplay=False) as replay:
        wrong_targets: list[dict[str, Any]] = [{}, {"timestamp": 1.0, "fraction": 0.5}]
        for wrong in wrong_targets:
            with pytest.raises(ps.errors.BadArgumentError, match="one of"):
                replay.seek(**wrong)
        for rate in (0.0, 17.0, float("nan")):
            with pytest.raises(ps.errors.BadArgumentError):
                replay.set_rate(rate)
        with pytest.raises(ps.errors.BadArgumentError):
            replay.seek(fraction=2.0)
