"""A plan of deduplication as a table for a terminal, a column a choice of parameters."""

from collections.abc import Mapping, Sequence

from curate.dedup_plan import SIMILARITIES, Plan


def table(plans: Mapping[str, Plan]) -> str:
    """Aligned lines; what an estimate is of stands below."""
    columns = list(plans.values())
    lines: list[tuple[str, ...]] = [
        ("", *plans),
        ("bands x rows", *(f"{p.bands} x {p.rows}" for p in columns)),
        ("shingle", *(f"{p.size} {p.unit}" for p in columns)),
        ("threshold (1/b)^(1/r)", *(f"{p.threshold:.3f}" for p in columns)),
        *((f"P({s:g})", *(f"{p.curve[s]:.3f}" for p in columns)) for s in SIMILARITIES),
        (f"missed at the bound, {columns[0].min_similarity:g}", *(f"{p.missed_at_bound:.1%}" for p in columns)),
        ("band keys a document", *(f"{p.key_bytes} bytes" for p in columns)),
    ]
    known = [p.false_candidates for p in columns if p.false_candidates]
    if not known:
        return _aligned(lines) + "\nfalse candidates: not estimated, as no CONFIG with two documents or more was given"
    lines += [
        (f"false candidates of {known[0].documents:,}", *(f"{f.expected:,.0f}" for f in known)),
        ("  standard error", *(f"{f.standard_error:,.0f}" for f in known)),
        ("  at most (95 %)", *(f"{f.at_most:,.0f}" for f in known)),
        ("alike pairs in the sample", *(f"{f.alike:,}" for f in known)),
    ]
    return (
        f"{_aligned(lines)}\nfalse candidates: an estimate from all pairs of {known[0].sampled:,} distinct texts of "
        "the inputs; a template that is rarer than the sample can show is in `at most` alone"
    )


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in lines
    )
