"""Metadata written into a model, read back with the little that FlatBuffers promise."""

from __future__ import annotations

import io
import struct
import sys
import unittest
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import fetch_vision  # noqa: E402
import tflite_metadata as tm  # noqa: E402


def small_model() -> bytes:
    """Returns a model with a version, a description and one buffer, and nothing else."""
    writer = tm.Writer()
    weights = tm.Table({0: tm.Bytes(b"weights", alignment=16)})
    fields = {0: tm.Scalar("I", 3), 3: tm.text("small"), 4: tm.Vector((weights,))}
    writer.root(tm.Table(fields), b"TFL3")
    return bytes(writer.out)


class Metadata(unittest.TestCase):
    def setUp(self) -> None:
        self.metadata = tm.image_metadata("Detector", 0.0, 255.0)
        self.model = tm.with_metadata(small_model(), self.metadata)
        self.reader = tm.Reader(self.model)
        self.root = self.reader.follow(0)

    def buffer(self, index: int) -> bytes:
        table = self.reader.items(self.root, 4)[index]
        start = self.reader.follow(self.reader.field(table, 0))
        return self.model[start + 4 : start + 4 + self.reader.u32(start)]

    def test_what_was_in_the_model_is_still_there(self) -> None:
        self.assertEqual(self.model[4:8], b"TFL3")
        self.assertEqual(self.reader.u32(self.reader.field(self.root, 0)), 3)
        self.assertEqual(self.reader.string(self.root, 3), "small")
        self.assertEqual(self.buffer(0), b"weights")
        self.assertIsNone(self.reader.field(self.root, 2))

    def test_the_metadata_is_found_by_its_name(self) -> None:
        (entry,) = self.reader.items(self.root, 6)
        self.assertEqual(self.reader.string(entry, 0), "TFLITE_METADATA")
        index = self.reader.u32(self.reader.field(entry, 1))
        self.assertEqual(self.buffer(index), self.metadata)

    def test_buffers_keep_their_alignment(self) -> None:
        for table in self.reader.items(self.root, 4):
            data = self.reader.follow(self.reader.field(table, 0)) + 4
            self.assertEqual(data % 16, 0)

    def test_the_metadata_says_how_the_picture_is_normalised(self) -> None:
        reader = tm.Reader(self.metadata)
        root = reader.follow(0)
        self.assertEqual(self.metadata[4:8], b"M001")
        (graph,) = reader.items(root, 3)
        (tensor,) = reader.items(graph, 2)
        (unit,) = reader.items(tensor, 4)
        self.assertEqual(self.metadata[reader.field(unit, 0)], 1)
        options = reader.follow(reader.field(unit, 1))
        for number, expected in ((0, 0.0), (1, 255.0)):
            vector = reader.follow(reader.field(options, number))
            self.assertEqual(struct.unpack_from("<If", self.metadata, vector), (1, expected))

    def test_a_model_gets_metadata_only_once(self) -> None:
        with self.assertRaisesRegex(tm.NotAModelError, "already"):
            tm.with_metadata(self.model, self.metadata)

    def test_something_else_is_refused(self) -> None:
        with self.assertRaises(tm.NotAModelError):
            tm.with_metadata(b"\0" * 64, self.metadata)


class Bundle(unittest.TestCase):
    def test_models_are_stored_uncompressed_and_aligned_and_always_alike(self) -> None:
        models = {"a.tflite": b"first model", "b_longer.tflite": b"second"}
        bundle = fetch_vision.bundle_models(models)
        self.assertEqual(bundle, fetch_vision.bundle_models(models))
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            self.assertIsNone(archive.testzip())
            for info in archive.infolist():
                self.assertEqual(info.compress_type, zipfile.ZIP_STORED)
                start = bundle.index(models[info.filename])
                self.assertEqual(start % 4, 0)


if __name__ == "__main__":
    unittest.main()
