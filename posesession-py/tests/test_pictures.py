"""Plots, films and what notebooks show: what can be said of a picture without looking at it."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from support import record, squat

import posesession as ps
from posesession._drawing import ON_DARK, Drawing

COLD, WARM = (tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in ON_DARK[0][1:])


def where_is(picture: Image.Image, colour: tuple[int, ...]) -> tuple[float, float]:
    """Returns the mean place of the pixels of about this colour, as parts of the picture."""
    pixels = np.asarray(picture.convert("RGB"), np.int32)
    ys, xs = np.nonzero((np.abs(pixels - colour) < 40).all(axis=-1))
    assert len(xs) > 20, "the colour is there"
    return float(xs.mean() / pixels.shape[1]), float(ys.mean() / pixels.shape[0])


def test_a_plot_is_as_the_camera_saw_it(demo: ps.Session) -> None:
    axes = demo.plot()
    assert axes.get_aspect() == 1.0
    bottom, top = axes.get_ylim()
    assert bottom > top, "y is down"
    left, right = axes.get_xlim()
    assert left < right, "and nothing is mirrored"
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"left", "right"}
    plt.close("all")


def test_a_plot_goes_where_it_is_told(demo: ps.Session) -> None:
    _, (first, second) = plt.subplots(1, 2)
    assert demo.plot(1.0, ax=first, trails=["left_wrist"]) is first
    assert demo.plot_angles("left_knee", "right_knee", ax=second) is second
    assert first.get_title() == "Squat, 1.00 s" and len(second.get_lines()) == 2
    with pytest.raises(ps.errors.KeypointNotFoundError):
        demo.plot(trails=["tail"])
    plt.close("all")


@pytest.mark.parametrize(("suffix", "format"), [(".gif", "GIF"), (".webp", "WEBP"), (".png", "PNG")])
def test_films_last_as_long_as_the_session(demo: ps.Session, tmp_path: Path, suffix: str, format: str) -> None:
    path = tmp_path / f"squat{suffix}"
    demo.animate(path, width=120, rate=2.0)
    with Image.open(path) as film:
        assert film.format == format and film.width == 120
        lasts = 0.0
        for place in range(getattr(film, "n_frames")):
            film.seek(place)
            film.load()
            lasts += film.info["duration"]
    assert lasts / 1000 == pytest.approx(3.0 / 2, abs=0.06)


def test_left_and_right_are_told_apart(demo: ps.Session, tmp_path: Path) -> None:
    demo[:30].animate(tmp_path / "squat.png", width=320)
    with Image.open(tmp_path / "squat.png") as film:
        cold, warm = where_is(film, COLD), where_is(film, WARM)
    assert cold[0] > warm[0] + 0.05, "their left side is on the picture's right"


def test_a_squat_goes_down(demo: ps.Session, tmp_path: Path) -> None:
    demo[:32].animate(tmp_path / "squat.png", width=320)
    with Image.open(tmp_path / "squat.png") as film:
        film.seek(0)
        standing = where_is(film, COLD)
        film.seek(getattr(film, "n_frames") - 1)
        assert where_is(film, COLD)[1] > standing[1] + 0.03


def test_films_over_recorded_pictures(store: ps.Store, tmp_path: Path) -> None:
    green = io.BytesIO()
    Image.new("RGB", (64, 48), (0, 120, 0)).save(green, "JPEG")
    times, values = squat(10)
    with store.record("Green", skeleton="mediapipe_33") as recording:
        for time, keypoints in zip(times, values):
            recording.push(time, keypoints, image=green.getvalue())
    recording.session.animate(tmp_path / "green.png", width=160, images=True)
    with Image.open(tmp_path / "green.png") as film:
        corner = film.convert("RGB").getpixel((3, 3))
        assert isinstance(corner, tuple) and corner[1] > 90 and corner[0] < 40
    assert recording.session.plot(image=True).images


def test_notebooks_show_facts_and_a_picture(walked: ps.Session) -> None:
    walked.update(name="<script>alert(1)</script>")
    html = walked._repr_html_()
    HTMLParser().feed(html)
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "120 frames" in html and walked.id in html
    svg = ElementTree.fromstring(html[html.index("<svg") : html.rindex("</svg>") + 6])
    colours = {path.get("stroke") for path in svg.iter("{http://www.w3.org/2000/svg}path")}
    assert {ON_DARK[0][1], ON_DARK[0][2]} <= colours
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}svg"))) == 1 + 6
    assert len(html) < 60_000, "a notebook keeps it"


def test_single_frames_and_short_sessions_have_pictures_too(store: ps.Store) -> None:
    one = record(store, *squat(1))
    assert one._repr_html_().count("<svg") == 2
    assert "<svg" in one[0]._repr_html_()
    empty = store.record("Nothing").stop()
    assert "nobody" in empty._repr_html_() and empty.fps != empty.fps


@pytest.mark.parametrize("preset", ["mediapipe_33_world", "mediapipe_holistic_543", "coco_17", "body_25", "face_478", "hand_21"])
def test_every_kind_of_skeleton_is_drawn(store: ps.Store, tmp_path: Path, preset: str) -> None:
    skeleton = ps.Skeleton.preset(preset)
    rng = np.random.default_rng(3)
    with store.record(preset, skeleton=preset) as recording:
        for n in range(5):
            recording.push(n / 10, {c.name: rng.random(c.shape, np.float32) for c in skeleton.components})
    session = recording.session
    assert "<svg" in session._repr_html_()
    session.plot()
    session.animate(tmp_path / "film.gif", width=100)
    plt.close("all")


def test_in_space_the_head_is_up(store: ps.Store) -> None:
    """Whichever way a model's y points."""
    for sign in (1.0, -1.0):
        times, values = squat(3)
        values[..., 1] *= sign
        skeleton = ps.Skeleton.preset("mediapipe_33_world").to_dict()
        skeleton["components"] = skeleton["components"][1:]
        session = record(store, times, values, skeleton=skeleton)
        axes = session.plot()
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        frame = session[0]
        (placed,) = Drawing(frame._known_skeleton(), None, frame._drawn_values()).place(frame._drawn_values(), 0)
        assert placed.points[0, 1] < placed.points[27, 1], "the nose is above the ankle"
    plt.close("all")


def test_what_cannot_be_drawn_says_so(store: ps.Store, tmp_path: Path) -> None:
    with store.record("Nobody") as recording:
        recording.push(0.0, None)
    with pytest.raises(ps.errors.UnsupportedError, match="nobody"):
        recording.session.plot()
    with pytest.raises(ps.errors.UnsupportedError, match="nobody"):
        recording.session.animate(tmp_path / "film.gif")
    with pytest.raises(ps.errors.BadArgumentError, match=r"\.gif"):
        record(store, *squat(2)).animate(tmp_path / "film.mov")
