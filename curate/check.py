"""What can be said about a config without running it: its inputs, models and prompts exist. Starts nothing."""

from curate.config import RunConfig
from curate.errors import ConfigError
from curate.llm import prompts, session
from curate.plan import _format as format_of
from curate.storage import find_inputs


def check(config: RunConfig) -> dict[str, tuple[int, int]]:
    """Source -> number of input objects and their stored bytes. Raises ConfigError or ModelError, naming what is not there."""
    found: dict[str, tuple[int, int]] = {}
    for source in config.inputs:
        objects = [o for uri in source.uris for o in find_inputs(uri)]
        if not objects:
            raise ConfigError(f"input {', '.join(source.uris)}: no files there; expected at least one")
        for each in objects:
            format_of(each.uri, source)
        number, size = found.get(source.source, (0, 0))
        found[source.source] = (number + len(objects), size + sum(o.size for o in objects))
    if config.llm:
        session.identify(config.llm)
    if config.judge:
        prompts.load(config.judge.rubric, "judge")
    if config.synthesize:
        prompts.load(config.synthesize.prompt, "synthesis")
    return found
