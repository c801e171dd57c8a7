"""Every filter, by name. Importing this package registers them all."""

from importlib import import_module
from pkgutil import iter_modules

from filters.batch import TextBatch, WordProvider
from filters.registry import FILTERS, Bounds, Filter, get, register
from filters.spans import Spans

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["FILTERS", "Bounds", "Filter", "Spans", "TextBatch", "WordProvider", "get", "register"]
