"""Every exception that Curate raises on purpose, and the exit code each one means.

CurateError                 exit 1: the run failed; nothing was published
├── ConfigError             exit 2: the YAML or the command line is wrong; nothing was started
├── InputError              one object cannot be read as what the config says; fails its splits
├── ModelError              a model file or model server cannot be used
│   └── JudgeError          too large a share of the judge's questions failed to give a score
├── ConservationError       P1 broken: in != kept + rejected + quarantined; a defect of Curate
├── LockedError             another run holds the work folder
└── PartialRun              exit 3: some splits failed; nothing was published unless it was allowed

A message says where, what was got, what was expected, and what to do next. It never holds the text of a document.
"""


class CurateError(Exception):
    """The run cannot go on."""

    exit_code = 1


class ConfigError(CurateError):
    """The config or the command line is wrong; raised before anything is started."""

    exit_code = 2


class InputError(CurateError):
    """An input object is not what the config says it is."""


class ModelError(CurateError):
    """A model file, or the server that serves a model, cannot be used."""


class JudgeError(ModelError):
    """More of the judge's questions failed than the config allows."""


class ConservationError(CurateError):
    """Documents went missing or appeared between a reader and what was committed (promise P1)."""


class LockedError(CurateError):
    """The work folder is in use by another run."""


class PartialRun(CurateError):
    """Some splits failed; the message names them."""

    exit_code = 3
