"""Downloads over a real connection to a server of our own."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.data import fetch as fetching
from bench.data.fetch import ARCHIVES, Archive, fetch, fetchable
from bench.data.sources import find
from bench.errors import BenchError
from tests.data.layouts import cifar_pickle, encoded, write_idx

Arrays = tuple[np.ndarray, np.ndarray]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def tar_of(folder: str, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as pack:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            pack.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def offer(
    mirror: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    target: str,
    md5: str | None = None,
) -> None:
    folder, address = mirror
    (folder / "file").write_bytes(content)
    found = md5 or hashlib.md5(content).hexdigest()
    archive = Archive((f"{address}/gone", f"{address}/file"), found, target, "/" not in target)
    monkeypatch.setattr(fetching, "ARCHIVES", {name: (archive,)})


def test_an_archive_is_fetched_unpacked_and_read(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, colour: Arrays
) -> None:
    content = tar_of("cifar-10-batches-py", {"test_batch": cifar_pickle(*colour)})
    offer(mirror, monkeypatch, "cifar10", content, "cifar-10-batches-py")
    seen: list[tuple[str, int, int]] = []
    paths = fetch("cifar10", progress=lambda *step: seen.append(step))
    assert paths == [root / "cifar-10-batches-py"]
    assert seen[-1] == ("downloading cifar-10-batches-py", len(content), len(content))
    source = find("cifar10", "test", root)
    assert source is not None
    assert np.array_equal(source.opened.read(12, (3, 32, 32), lambda done: None)[0], colour[0])
    assert [path.name for path in root.iterdir()] == ["cifar-10-batches-py"]


def test_a_zip_and_a_plain_file_are_fetched_too(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, grey: Arrays
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as pack:
        pack.writestr("images_evaluation/Avesta/character01/0965_01.png", encoded(grey[0][0]))
    folder, address = mirror
    (folder / "file.zip").write_bytes(buffer.getvalue())
    write_idx(folder, "t10k", *grey, gz=True)
    digests = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    archives = {
        "omniglot": (
            Archive(
                (f"{address}/file.zip",), digests["file.zip"], "omniglot-py/images_evaluation", True
            ),
        ),
        "kmnist": tuple(
            Archive((f"{address}/{name}",), digests[name], f"KMNIST/raw/{name}", False)
            for name in digests
            if name.endswith(".gz")
        ),
    }
    monkeypatch.setattr(fetching, "ARCHIVES", archives)
    for name, split, count in (("omniglot", "evaluation", 1), ("kmnist", "test", 12)):
        fetch(name)
        source = find(name, split, root)
        assert source is not None
        assert source.opened.count() == count


def test_of_a_suite_all_is_fetched_that_its_authors_publish_as_a_file() -> None:
    assert fetchable("fashionmnist") == ["fashionmnist", "mnist", "omniglot", "kmnist"]
    assert fetchable("cifar10") == ["cifar10", "svhn", "cifar100"]
    assert fetchable("digits") == []
    with pytest.raises(BenchError, match="E-UNKNOWN-SUITE"):
        fetchable("imagenet")


def test_a_suite_is_fetched_by_one_command_that_says_where_the_rest_is(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, colour: Arrays
) -> None:
    content = tar_of("cifar-10-batches-py", {"test_batch": cifar_pickle(*colour)})
    offer(mirror, monkeypatch, "cifar10", content, "cifar-10-batches-py")
    result = CliRunner().invoke(app, ["data", "fetch", "--suite", "cifar10", "--quiet"])
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(root / "cifar-10-batches-py")]
    assert "`bench data list` shows what else cifar10 looks at" in result.stderr


def test_what_is_there_is_not_fetched_again(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(mirror, monkeypatch, "cifar10", b"", "cifar-10-batches-py")
    (mirror[0] / "file").unlink()
    (root / "cifar-10-batches-py").mkdir()
    assert fetch("cifar10") == [root / "cifar-10-batches-py"]


@pytest.mark.parametrize(
    "member", ["../escaped", "cifar-10-batches-py/../../escaped", "/tmp/escaped", "other/file"]
)
@pytest.mark.parametrize("form", ["tar", "zip"])
def test_a_member_outside_of_the_folder_is_refused(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, member: str, form: str
) -> None:
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w") as pack:
            pack.writestr(member, b"bad")
    else:
        with tarfile.open(fileobj=buffer, mode="w") as pack:
            info = tarfile.TarInfo(member)
            info.size = 3
            pack.addfile(info, io.BytesIO(b"bad"))
    offer(mirror, monkeypatch, "cifar10", buffer.getvalue(), "cifar-10-batches-py")
    with pytest.raises(BenchError) as caught:
        fetch("cifar10")
    assert caught.value.code == "E-BROKEN-DATA"
    assert list(root.iterdir()) == []
    assert not list(root.parent.rglob("escaped"))


def test_links_in_an_archive_are_left_out(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as pack:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.type, info.linkname = kind, "/etc/passwd"
            pack.addfile(info)
        info = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        pack.addfile(info, io.BytesIO())
    offer(mirror, monkeypatch, "cifar10", buffer.getvalue(), "cifar-10-batches-py")
    fetch("cifar10")
    assert [path.name for path in (root / "cifar-10-batches-py").iterdir()] == ["test_batch"]


def test_a_file_with_another_md5_is_refused_and_not_kept(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(mirror, monkeypatch, "svhn", b"<html>sorry</html>", "svhn/test_32x32.mat", md5="0" * 32)
    with pytest.raises(BenchError, match="MD5") as caught:
        fetch("svhn")
    assert caught.value.code == "E-BROKEN-DATA"
    assert not [path for path in root.rglob("*") if path.is_file()]


def test_a_mirror_that_does_not_answer_is_named(
    root: Path, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(mirror, monkeypatch, "svhn", b"", "svhn/test_32x32.mat")
    (mirror[0] / "file").unlink()
    with pytest.raises(BenchError, match=r"/gone.*404.*/file.*404") as caught:
        fetch("svhn")
    assert caught.value.code == "E-NO-DATA"


def test_a_set_without_download_says_how_it_comes_in(root: Path) -> None:
    with pytest.raises(BenchError, match="bench data import") as caught:
        fetch("notmnist")
    assert caught.value.code == "E-BAD-VALUE"


def test_every_download_has_an_address_and_an_md5() -> None:
    for archives in ARCHIVES.values():
        for archive in archives:
            assert len(archive.md5) == 32
            assert all(url.startswith("http") for url in archive.urls)
    assert ARCHIVES["cifar10-c"][0].md5 == "56bf5dcef84df0e2308c6dcbcbbd8499"
