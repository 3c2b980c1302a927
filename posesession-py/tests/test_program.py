"""The command line, `serve`, and what a user does to a program: Ctrl-C, fork, threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support import record, squat

import posesession as ps

POSESESSION = Path(sys.executable).with_name("posesession")


def test_the_console_script_is_the_program(store: ps.Store, demo: ps.Session, tmp_path: Path) -> None:
    for command in ([str(POSESESSION)], [sys.executable, "-m", "posesession"]):
        told = subprocess.run(
            [*command, "ls", "--json", "--database", str(tmp_path / "sessions.db")], capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stderr
        assert demo.id in told.stdout and json.loads(told.stdout.splitlines()[0])
    wrong = subprocess.run([str(POSESESSION), "dance"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "dance" in wrong.stderr


def interrupted(program: str, folder: Path) -> subprocess.Popen[str]:
    """Starts a program, and presses Ctrl-C once it has printed `ready`."""
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stderr is not None
    for line in child.stdout:
        if "ready" in line:
            break
    child.send_signal(signal.SIGINT)
    return child


def test_ctrl_c_ends_a_replay_that_stands_still(demo: ps.Session, store: ps.Store, tmp_path: Path) -> None:
    store.close()
    child = interrupted(
        "import posesession as ps\n"
        "for frame in ps.open('sessions.db').sessions()[0].replay(autoplay=False):\n"
        "    print('ready', flush=True)\n",
        tmp_path,
    )
    _, errors = child.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors


def test_ctrl_c_ends_serve_quietly(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import posesession as ps; ps.serve('./sessions', listen='127.0.0.1:0')"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    address = next(line for line in child.stderr if "http://" in line)
    url = next(word for word in address.split() if word.startswith("http://"))
    session = record(ps.connect(url), *squat(5))
    assert len(session.keypoints) == 5
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 0, errors
    assert "Traceback" not in errors


def test_the_server_has_its_pages_inside(server: ps.Server) -> None:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for page in ("pose_realtime.html", "session_list.html", "session_replay.html", "js/posesession.js"):
        with opener.open(f"{server.url}/{page}", timeout=10) as answer:
            assert answer.status == 200 and len(answer.read()) > 500


def test_two_servers_do_not_share_a_folder(server: ps.Server, tmp_path: Path) -> None:
    with pytest.raises(ps.errors.StoreInUseError):
        ps.Server(tmp_path / "served", listen="127.0.0.1:0")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_told(demo: ps.Session, store: ps.Store, tmp_path: Path) -> None:
    program = (
        "import os, posesession as ps\n"
        "store = ps.open('sessions.db')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try: store.sessions()\n"
        "    except ps.errors.ClosedError as error: os._exit(42)\n"
        "    os._exit(1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42\n"
        "assert len(store.sessions()) == 1\n"
    )
    store.close()
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=tmp_path, check=True, timeout=60)


def test_threads_read_at_once(store: ps.Store) -> None:
    times, values = squat(300)
    sessions = [record(store, times, values, name=f"{n}") for n in range(4)]
    results: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    threads = [threading.Thread(target=lambda s=s: results.append(s.reload().keypoints)) for s in sessions for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 12
    for keypoints in results:
        np.testing.assert_array_equal(keypoints[:, 0], values)
