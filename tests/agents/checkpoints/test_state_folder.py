from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.manifest import Manifest, _checksum
from wmil_agents.checkpoints.state_folder import (
    ARRAYS,
    MANIFEST,
    STATE,
    check_state,
    read_state,
    remove_leftovers,
    remove_state,
    write_state,
)

STATE_DATA = {"weights": np.arange(1000.0), "step": 3}
MEMBERS = (MANIFEST, STATE, ARRAYS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_state(tmp_path / "one", STATE_DATA, step=3, inexact=["because"])
    return tmp_path / "one"


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Puts another content into a member, and makes the manifest agree with it."""
    (folder / name).write_bytes(content)
    if name != MANIFEST:
        document = json.loads((folder / MANIFEST).read_text())
        document["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        seal(folder, document)


def seal(folder: Path, document: dict[str, object]) -> None:
    document.pop("checksum", None)
    (folder / MANIFEST).write_text(json.dumps(document | {"checksum": _checksum(document)}))


def refused(folder: Path, words: str = "") -> None:
    with pytest.raises(CheckpointError, match=rf"(?s)the checkpoint .*{words}"):
        read_state(folder)


def test_a_state_comes_back_with_its_manifest(folder: Path) -> None:
    state, manifest = read_state(folder)
    np.testing.assert_array_equal(state["weights"], STATE_DATA["weights"])
    assert state["step"] == manifest.step == 3
    assert manifest.inexact == ("because",)
    assert manifest.versions["torch"] == torch.__version__
    assert manifest == check_state(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(MEMBERS)
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_a_state_replaces_the_one_before(folder: Path) -> None:
    write_state(folder, {"step": 4})
    assert read_state(folder)[0] == {"step": 4}
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_what_a_dying_process_leaves_is_the_old_state(folder: Path) -> None:
    folder.rename(folder.with_name(".one.replaced"))
    assert read_state(folder)[0]["step"] == 3
    write_state(folder, {"step": 4})
    assert read_state(folder)[0] == {"step": 4}
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_leftovers_are_removed_and_the_only_copy_is_not(folder: Path) -> None:
    (folder.parent / ".one.unfinished-12345678").mkdir()
    (folder.parent / ".two.replaced").mkdir()
    (folder.parent / ".one.replaced").mkdir()
    remove_leftovers(folder.parent)
    assert sorted(path.name for path in folder.parent.iterdir()) == [".two.replaced", "one"]


def test_a_state_can_be_removed(folder: Path) -> None:
    remove_state(folder)
    assert list(folder.parent.iterdir()) == []
    with pytest.raises(CheckpointError, match="could not be removed"):
        remove_state(folder)


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found(folder: Path, name: str, place: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (folder / name).write_bytes(content)
    refused(folder)
    with pytest.raises(CheckpointError):
        check_state(folder)


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("length", [0, 1, 20, -1])
def test_a_truncated_file_is_found(folder: Path, name: str, length: int) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:length])
    refused(folder)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"lacks {name}")


def test_a_strange_file_is_named(folder: Path) -> None:
    (folder / "hook.py").write_text("raise SystemExit")
    refused(folder, "'hook.py', which does not belong there")


@pytest.mark.parametrize("name", MEMBERS)
def test_a_link_is_refused(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    refused(folder, "is a link")


def test_a_linked_folder_is_refused(folder: Path) -> None:
    (folder.parent / "two").symlink_to(folder)
    refused(folder.parent / "two", "it is a link")


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / STATE).unlink()
    os.mkfifo(folder / STATE)
    refused(folder, "is not a file")


def test_no_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    refused(tmp_path / "none", "there is no such folder")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def pickled(path: Path) -> bytes:
    return pickle.dumps(Bomb(path))


def torch_file(path: Path) -> bytes:
    file = io.BytesIO()
    torch.save({"weights": Bomb(path)}, file)
    return file.getvalue()


def numpy_file(path: Path) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Bomb(path)], dtype=object), allow_pickle=True)
    return file.getvalue()


def zip_bomb(path: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped", b"\0" * 2**24)
    return file.getvalue()


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("content", [pickled, torch_file, numpy_file, zip_bomb])
def test_nothing_is_executed_or_unpacked(folder: Path, name: str, content: Callable[[Path], bytes]) -> None:
    target = folder.parent / "executed"
    rewrite(folder, name, content(target))
    refused(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["one"]


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"{" * 10,
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'"\xff"',
        b"1" * 5000,
        b'{"$array": "/weights", "order": "F"}',
        b'{"w": {"$array": "../../etc/passwd"}}',
    ],
)
def test_a_hostile_document_is_refused(folder: Path, text: bytes) -> None:
    rewrite(folder, STATE, text)
    if b"/weights" in text:
        assert read_state(folder)[0].shape == (1000,)  # a document may be another one, but it only names arrays
    else:
        refused(folder)


@pytest.mark.parametrize(
    "header",
    [
        {"/weights": {"dtype": "F64", "shape": [2**60], "data_offsets": [0, 8000]}},
        {"/weights": {"dtype": "F64", "shape": [1000], "data_offsets": [0, 2**62]}},
        {"/weights": {"dtype": "F64", "shape": [1000], "data_offsets": [-8, 7992]}},
        {"/weights": {"dtype": "O", "shape": [1000], "data_offsets": [0, 8000]}},
        {"/other": {"dtype": "F64", "shape": [1000], "data_offsets": [0, 8000]}},
        {"/weights": {"dtype": "BF16", "shape": [4000], "data_offsets": [0, 8000]}},
        [],
    ],
)
def test_hostile_arrays_are_refused(folder: Path, header: object) -> None:
    text = json.dumps(header).encode()
    rewrite(folder, ARRAYS, len(text).to_bytes(8, "little") + text + bytes(8000))
    refused(folder)


def test_an_oversized_header_is_refused(folder: Path) -> None:
    rewrite(folder, ARRAYS, (2**63).to_bytes(8, "little") + b"{}")
    refused(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "layout 2, and this version of wmil-agents reads 1"),
        ({"format": "zip"}, "not one of a checkpoint"),
        ({"files": {}}, "names other files"),
        ({"files": {"../../../escaped": {"size": 1, "sha256": "0"}}}, "names other files"),
        ({"files": {STATE: {"size": 1}, ARRAYS: {"size": 1}}}, "not one of a checkpoint"),
        ({"surprise": 1}, "not one of a checkpoint"),
        ({"files": None}, "not one of a checkpoint"),
    ],
)
def test_a_manifest_that_we_do_not_write_is_refused(folder: Path, change: dict[str, object], words: str) -> None:
    seal(folder, json.loads((folder / MANIFEST).read_text()) | change)
    refused(folder, words)


def test_a_claim_that_is_not_the_size_is_refused(folder: Path) -> None:
    document = json.loads((folder / MANIFEST).read_text())
    document["files"][ARRAYS]["size"] = 2**50
    seal(folder, document)
    refused(folder, "and its manifest says 1125899906842624")


def test_more_bytes_than_allowed_are_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="more than the 100 allowed"):
        read_state(folder, max_bytes=100)


def test_a_manifest_tells_what_it_was_told() -> None:
    manifest = Manifest({}, 3, 0.1, ("a",), {"python": "3"})
    assert Manifest.from_json(manifest.to_json()) == manifest


FULL_DISK = """
import resource, sys
import numpy as np
from wmil_agents.checkpoints.state_folder import write_state
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_state(sys.argv[1], {"weights": np.zeros(100_000)})
except CheckpointError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_leaves_the_last_state_and_nothing_else(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, folder], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == (
        f"the checkpoint {folder} could not be written: File too large; those before it are as they were"
    )
    assert read_state(folder)[0]["step"] == 3
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not be written: "):
        write_state(tmp_path / "file" / "one", {})


def test_a_failure_in_between_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_state(folder, {"step": 4})
    assert read_state(folder)[0]["step"] == 3
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_everything_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    sync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("sync"), sync(descriptor))[1])
    monkeypatch.setattr(Path, "rename", lambda path, target: (events.append("rename"), rename(path, target))[1])
    write_state(tmp_path / "one", STATE_DATA)
    assert events == ["sync"] * 4 + ["rename", "sync"]
