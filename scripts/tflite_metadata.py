"""A TensorFlow Lite model in, the same model that says how its input picture is normalised out.

MediaPipe's tasks refuse a landmark model that carries no metadata. The metadata is a small FlatBuffer of
its own (``metadata_schema.fbs``, identifier ``M001``) in one of the model's buffers, found by the name
``TFLITE_METADATA``. Offsets in a FlatBuffer are relative and point forward, so nothing inside the model has
to move: a new root table, with longer lists of buffers and metadata, goes before it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_MODEL_IDENTIFIER = b"TFL3"
_METADATA_IDENTIFIER = b"M001"
_METADATA_NAME = "TFLITE_METADATA"
# The model's weights keep whatever alignment up to this they had.
_ALIGNMENT = 64

# Fields of the table `Model` in TensorFlow Lite's schema.fbs.
_MODEL_VERSION, _MODEL_BUFFERS, _MODEL_METADATA, _MODEL_FIELDS = 0, 4, 6, 8
# metadata_schema.fbs: members of the unions `ContentProperties` and `ProcessUnitOptions`, and a colour space.
_IMAGE_PROPERTIES, _NORMALIZATION_OPTIONS, _RGB = 2, 1, 1


class NotAModelError(ValueError):
    """The bytes are not a TensorFlow Lite model, or one that has metadata already."""


@dataclass(frozen=True)
class Scalar:
    """A number that stands in its table; `code` as in `struct`."""

    code: str
    value: int | float


@dataclass(frozen=True)
class Bytes:
    """A vector of bytes (`text`: a string)."""

    data: bytes
    text: bool = False
    alignment: int = 4


@dataclass(frozen=True)
class Floats:
    """A vector of f32."""

    values: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """A table: its fields by number; absent ones have their default."""

    fields: dict[int, object]


@dataclass(frozen=True)
class Vector:
    """A vector of tables or of what `Existing` points to."""

    items: tuple[object, ...]


@dataclass(frozen=True)
class Existing:
    """Something that is in the old model already, at this position of it."""

    position: int


def text(value: str) -> Bytes:
    """Returns `value` as a FlatBuffer string."""
    return Bytes(value.encode(), text=True)


@dataclass
class Writer:
    """Writes objects front to back, what they point to always after them."""

    out: bytearray = field(default_factory=bytearray)
    existing: list[tuple[int, int]] = field(default_factory=list)
    """Places that point into the old model, and where to there."""

    def align(self, alignment: int, after: int = 0) -> None:
        """Pads, so that the position `after` bytes from here is a multiple of `alignment`."""
        self.out += bytes(-(len(self.out) + after) % alignment)

    def root(self, table: Table, identifier: bytes) -> None:
        """Writes a whole buffer's start: root offset, identifier and `table` with all it points to."""
        self.out += bytes(4) + identifier
        self.point(0, table)

    def point(self, place: int, target: object) -> None:
        """Writes `target` and makes the offset at `place` point to it."""
        if isinstance(target, Existing):
            self.existing.append((place, target.position))
            return
        position = self.write(target)
        struct.pack_into("<I", self.out, place, position - place)

    def write(self, value: object) -> int:
        """Writes a vector, string or table; returns its position."""
        if isinstance(value, Table):
            return self.write_table(value)
        if isinstance(value, Bytes):
            self.align(value.alignment, after=4)
            position = len(self.out)
            self.out += struct.pack("<I", len(value.data)) + value.data + bytes(value.text)
            return position
        self.align(4)
        position = len(self.out)
        if isinstance(value, Floats):
            count = len(value.values)
            self.out += struct.pack(f"<I{count}f", count, *value.values)
            return position
        assert isinstance(value, Vector), value
        self.out += struct.pack("<I", len(value.items)) + bytes(4 * len(value.items))
        for index, item in enumerate(value.items):
            self.point(position + 4 + 4 * index, item)
        return position

    def write_table(self, table: Table) -> int:
        """Writes a table after its vtable; every field takes four bytes."""
        slots = max(table.fields, default=-1) + 1
        places = {number: 4 + 4 * index for index, number in enumerate(sorted(table.fields))}
        vtable = struct.pack("<HH", 4 + 2 * slots, 4 + 4 * len(places))
        vtable += b"".join(struct.pack("<H", places.get(slot, 0)) for slot in range(slots))
        self.align(4, after=len(vtable))
        self.out += vtable
        position = len(self.out)
        self.out += struct.pack("<i", len(vtable)) + bytes(4 * len(places))
        for number, place in places.items():
            value = table.fields[number]
            if isinstance(value, Scalar):
                struct.pack_into(f"<{value.code}", self.out, position + place, value.value)
            else:
                self.point(position + place, value)
        return position


@dataclass(frozen=True)
class Reader:
    """Reads the few things of a model that are needed to extend it."""

    data: bytes

    def u32(self, position: int) -> int:
        """Reads the u32 at `position`."""
        return int(struct.unpack_from("<I", self.data, position)[0])

    def field(self, table: int, number: int) -> int | None:
        """Returns where a table's field stands, or None if it has its default."""
        vtable = table - struct.unpack_from("<i", self.data, table)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        if 4 + 2 * number >= size:
            return None
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * number)[0]
        return table + offset if offset else None

    def follow(self, place: int) -> int:
        """Returns what the offset at `place` points to."""
        return place + self.u32(place)

    def items(self, table: int, number: int) -> list[int]:
        """Returns the positions of the tables in a field that is a vector of tables."""
        place = self.field(table, number)
        if place is None:
            return []
        vector = self.follow(place)
        return [self.follow(vector + 4 + 4 * index) for index in range(self.u32(vector))]

    def string(self, table: int, number: int) -> str:
        """Returns a field that is a string."""
        place = self.field(table, number)
        if place is None:
            return ""
        start = self.follow(place)
        return self.data[start + 4 : start + 4 + self.u32(start)].decode()


def image_metadata(name: str, mean: float, std: float) -> bytes:
    """Returns the metadata of a model with one RGB picture as input: ``(value - mean) / std`` is what it wants."""
    normalization = Table({0: Floats((mean,)), 1: Floats((std,))})
    picture = Table({0: Scalar("B", _RGB)})
    tensor = Table(
        {
            0: text("image"),
            3: Table({0: Scalar("B", _IMAGE_PROPERTIES), 1: picture}),
            4: Vector((Table({0: Scalar("B", _NORMALIZATION_OPTIONS), 1: normalization}),)),
        }
    )
    model = Table(
        {0: text(name), 3: Vector((Table({2: Vector((tensor,))}),)), 7: text("1.0.0")}
    )
    writer = Writer()
    writer.root(model, _METADATA_IDENTIFIER)
    return bytes(writer.out)


def with_metadata(model: bytes, metadata: bytes) -> bytes:
    """Returns `model` with `metadata` in a further buffer.

    Raises `NotAModelError` if `model` is no TensorFlow Lite model or has such metadata already.
    """
    if model[4:8] != _MODEL_IDENTIFIER:
        raise NotAModelError("not a TensorFlow Lite model: its identifier is not TFL3")
    reader = Reader(model)
    root = reader.follow(0)
    entries = reader.items(root, _MODEL_METADATA)
    if any(reader.string(entry, 0) == _METADATA_NAME for entry in entries):
        raise NotAModelError(f"the model has {_METADATA_NAME} already")
    buffers = reader.items(root, _MODEL_BUFFERS)

    fields: dict[int, object] = {}
    for number in range(_MODEL_FIELDS):
        place = reader.field(root, number)
        if place is not None and number != _MODEL_VERSION:
            fields[number] = Existing(reader.follow(place))
        elif place is not None:
            fields[number] = Scalar("I", reader.u32(place))
    added = Table({0: Bytes(metadata, alignment=16)})
    fields[_MODEL_BUFFERS] = Vector((*map(Existing, buffers), added))
    entry = Table({0: text(_METADATA_NAME), 1: Scalar("I", len(buffers))})
    fields[_MODEL_METADATA] = Vector((*map(Existing, entries), entry))

    writer = Writer()
    writer.root(Table(fields), _MODEL_IDENTIFIER)
    writer.align(_ALIGNMENT)
    moved_by = len(writer.out)
    for place, position in writer.existing:
        struct.pack_into("<I", writer.out, place, moved_by + position - place)
    return bytes(writer.out) + model
