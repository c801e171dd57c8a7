"""croissant.json: the version described in Croissant 1.1 (JSON-LD), so that catalogues and loaders can read it."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from curate.config import RunConfig
from curate.reports.visible import label
from curate.stages.arrange import data_schema
from curate.step import Commit

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The terms of the Croissant 1.1 vocabulary."""

PARQUET = "application/x-parquet"
"""Not the registered application/vnd.apache.parquet: mlcroissant 1.1 reads records under this name only."""

TOP_LICENSES = 30
"""Licences that are listed: each record may bring its own."""

FILES = "parts"
RECORDS = "documents"


def croissant(config: RunConfig, description: str, licenses: Sequence[str | None], parts: Sequence[Commit]) -> str:
    """The page as JSON, keys in a fixed order."""
    names = [f"data/part-00000-{number:05d}.parquet" for number in range(len(parts))]
    page = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": config.name,
        "description": description,
        "license": [label(name or "unknown") for name in licenses[:TOP_LICENSES]] or ["unknown"],
        "distribution": [
            *(_file(name, part) for name, part in zip(names, parts, strict=True)),
            {
                "@type": "cr:FileSet", "@id": FILES, "name": FILES, "encodingFormat": PARQUET,
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": RECORDS, "name": RECORDS, "description": "One record a document.",
                "key": {"@id": f"{RECORDS}/id"}, "field": [_field(field) for field in data_schema(config)],
            }
        ],
    }  # fmt: skip
    return json.dumps(page, indent=1) + "\n"


def _file(name: str, part: Commit) -> dict[str, Any]:
    size = sum(shard.bytes for shard in part.of("data"))
    return {
        "@type": "cr:FileObject", "@id": name, "name": name.removeprefix("data/"), "contentUrl": name,
        "contentSize": f"{size} B", "encodingFormat": PARQUET, "sha256": part.notes["sha256"],
    }  # fmt: skip


def _field(column: pa.Field) -> dict[str, Any]:
    """A column; a list of unknown length is an array, a struct has a sub-field for each of its own."""
    name = f"{RECORDS}/{column.name}"
    field = {"@type": "cr:Field", "@id": name, "name": column.name}
    if pa.types.is_struct(column.type):
        return field | {
            "subField": [
                {
                    "@type": "cr:Field", "@id": f"{name}/{inner.name}", "name": inner.name,
                    "dataType": _data_type(inner.type),
                    "source": _source(column.name) | {"transform": {"jsonPath": inner.name}},
                }
                for inner in column.type
            ]
        }  # fmt: skip
    if pa.types.is_list(column.type):
        array = {"isArray": True, "arrayShape": "-1"}
        return field | {"dataType": _data_type(column.type.value_type), **array, "source": _source(column.name)}
    return field | {"dataType": _data_type(column.type), "source": _source(column.name)}


def _source(column: str) -> dict[str, Any]:
    return {"fileSet": {"@id": FILES}, "extract": {"column": column}}


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "sc:Float"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    return "sc:DateTime" if pa.types.is_timestamp(kind) else "sc:Text"
