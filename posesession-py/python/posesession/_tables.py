"""Sessions as tables: pandas and Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posesession._optional import optional

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from posesession._shown import ShownSession


def to_pandas(session: ShownSession) -> pandas.DataFrame:
    """Makes a row for each person of each frame; see `Session.to_pandas`."""
    pd = optional("pandas", "pandas", "pandas")
    track_ids = session.track_ids
    there = track_ids >= 0
    # A frame of nobody has a row, too: its time counts.
    there[~there.any(axis=1), 0] = True
    frames, slots = np.nonzero(there)
    ids = track_ids[frames, slots]
    numbers = np.asarray(session.frame_numbers, np.int64)
    names: list[str] = []
    blocks = []
    for component in () if session.skeleton is None else session.skeleton.components:
        values = session.component(component.name).values
        blocks.append(values[frames, slots].reshape(len(frames), -1))
        names += [f"{component.name}.{keypoint}.{channel.name}" for keypoint in component.keypoints for channel in component.channels]
    index = pd.Index(session.timestamps[frames], name="timestamp")
    facts = pd.DataFrame(
        {"frame_number": numbers[frames], "track_id": pd.array(ids, "Int64").copy()},
        index=index,
    )
    facts.loc[ids < 0, "track_id"] = pd.NA
    if not blocks:
        table: pandas.DataFrame = facts
        return table
    poses = pd.DataFrame(np.concatenate(blocks, axis=1), index=index, columns=names)
    table = pd.concat([facts, poses], axis=1)
    return table


def to_arrow(session: ShownSession) -> pyarrow.Table:
    """Makes an Arrow table; see `Session.to_arrow`."""
    pa = optional("pyarrow", "pyarrow", "arrow")
    frames = session.frame_numbers
    first, end = (frames[0], frames[-1] + 1) if len(frames) else (0, 0)
    reader = pa.RecordBatchReader._import_from_c_capsule(session._source.arrow_stream(first, end))
    table = reader.read_all()
    if frames.step != 1:
        numbers = table.column("frame_number").to_numpy()
        table = table.take(pa.array(np.flatnonzero((numbers - first) % frames.step == 0)))
    return table


def arrow_stream(session: ShownSession) -> object:
    """Makes the PyCapsule of Arrow's stream interface, without any package if the frames are consecutive."""
    frames = session.frame_numbers
    if frames.step != 1:
        return to_arrow(session).__arrow_c_stream__()
    return session._source.arrow_stream(frames.start, max(frames.start, frames.stop))
