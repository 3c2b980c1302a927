"""Joints' angles: the core's `JointAngle`, over whole arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posesession.errors import KeypointNotFoundError
from posesession.skeleton import Component, Skeleton, listed

if TYPE_CHECKING:
    from posesession._shown import ShownSession

#: Each joint with the keypoints whose angle at the middle one is meant. Models call the tip of the foot by different names.
_JOINTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "elbow": (("shoulder",), ("elbow",), ("wrist",)),
    "shoulder": (("elbow",), ("shoulder",), ("hip",)),
    "hip": (("shoulder",), ("hip",), ("knee",)),
    "knee": (("hip",), ("knee",), ("ankle",)),
    "ankle": (("knee",), ("ankle",), ("foot_index", "big_toe")),
}
_USUAL_ASPECT = 4 / 3


class Joint(NamedTuple):
    """Where an angle is measured."""

    component: int
    keypoints: list[int]
    """Three, the joint in the middle."""
    axes: list[int]
    """Channels."""
    is_normalised: bool
    """Whether x counts in widths of the picture, and y in its heights."""


def joint_angle(session: ShownSession, name: str) -> NDArray[np.float64]:
    """Returns ``(T, P)``, degrees; see `Session.angle`."""
    joints = {} if session.skeleton is None else joints_of(session.skeleton)
    if session.skeleton is None or name not in joints:
        has = f"it has {listed(list(joints))}" if joints else "it has none"
        raise KeypointNotFoundError(f"the skeleton has no joint {name!r}; {has}")
    joint = joints[name]
    values = session.component(session.skeleton.components[joint.component].name).values
    points = values[:, :, joint.keypoints][..., joint.axes].astype(np.float64)
    if joint.is_normalised:
        width, height = session._picture_size or (_USUAL_ASPECT, 1.0)
        points[..., 0] *= width / height
    first, second = points[:, :, 0] - points[:, :, 1], points[:, :, 2] - points[:, :, 1]
    if first.shape[-1] == 2:
        across = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])
    else:
        across = np.linalg.norm(np.cross(first, second), axis=-1)
    # By its tangent: the cosine says little of angles near 0 and 180 degrees, where a straight limb has them.
    degrees = np.degrees(np.arctan2(across, (first * second).sum(axis=-1)))
    is_somewhere = (first != 0).any(axis=-1) & (second != 0).any(axis=-1)
    angles: NDArray[np.float64] = np.where(is_somewhere, degrees, np.nan)
    return angles


def joints_of(skeleton: Skeleton) -> dict[str, Joint]:
    """Returns the joints that a skeleton has the keypoints of; where several components have them, one in space."""
    found: dict[str, Joint] = {}
    for joint, corners in _JOINTS.items():
        for side in ("left", "right"):
            own = [in_component(component, place, side, corners) for place, component in enumerate(skeleton.components)]
            there = [candidate for candidate in own if candidate is not None]
            if there:
                found[f"{side}_{joint}"] = min(there, key=lambda candidate: len(candidate.axes) < 3)
    return found


def in_component(component: Component, place: int, side: str, corners: tuple[tuple[str, ...], ...]) -> Joint | None:
    """Returns where a component has the angle, None if it has not."""
    unit = component.unit("x")
    if unit is None or component.unit("y") != unit:
        return None
    is_spatial = unit == "metres" and component.unit("z") == unit
    keypoints = []
    for names in corners:
        there = [k for k, keypoint in enumerate(component.keypoints) if keypoint in {f"{side}_{name}" for name in names}]
        if not there:
            return None
        keypoints.append(there[0])
    axes = [component.channel(axis) for axis in ("xyz" if is_spatial else "xy")]
    return Joint(place, keypoints, axes, unit == "image")
