"""Every filter and transform, by name. Importing this package registers them all."""

from importlib import import_module
from pkgutil import iter_modules

from filters.batch import TextBatch, WordProvider
from filters.registry import (
    FILTERS,
    TRANSFORMS,
    Bounds,
    Filter,
    Transform,
    get,
    get_transform,
    register,
    register_transform,
)
from filters.spans import Spans

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = [
    "FILTERS",
    "TRANSFORMS",
    "Bounds",
    "Filter",
    "Spans",
    "TextBatch",
    "Transform",
    "WordProvider",
    "get",
    "get_transform",
    "register",
    "register_transform",
]
