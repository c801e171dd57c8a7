"""What a start or end tag does to the stack of open elements (HTML standard, 13.2.6), for compiled code."""

from numba import njit

from curate.text.html_stack import (
    DEPTH,
    DOUBT,
    FLAG,
    FORMS,
    FRAMESETS,
    IS_FOREIGN,
    NAME,
    OPTIONS,
    WORK,
    activate,
    close,
    count,
    end_formatting,
    find,
    pop_to,
    push,
    reopen,
    start_formatting,
    take_out,
)
from curate.text.html_tags import (
    BREAKOUT,
    BUTTON,
    CAPTION,
    CELL,
    CLEAR,
    CLOSES_P,
    DD,
    FORM,
    FORMATTING,
    FRAMESET,
    HEADING,
    IGNORED,
    IMPLIED,
    LI,
    LIST,
    MARKER,
    MATH,
    MATH_TEXT,
    OPTGROUP,
    OPTION,
    ROW,
    RUBY,
    RUBY_ROOT,
    SCOPE,
    SECTION,
    SELECT,
    SPECIAL,
    SVG,
    SVG_TEXT,
    TABLE,
    TBODY,
    TEMPLATE,
    TR,
    VOID,
    P,
)

HOLDS_HTML = -1
"""Instead of SVG or MATH: an element of these whose content is HTML again."""


@njit(cache=True, nogil=True)
def _start_in_foreign(n, stack, name, flags, self_closing):  # type: ignore[no-untyped-def]
    """Inside SVG or MathML; False where the tag ends that."""
    if flags & BREAKOUT:
        while n[DEPTH] and stack[n[DEPTH] - 1, IS_FOREIGN] > 0:
            n[DEPTH] -= 1
            n[DOUBT] += 1
        return False
    inside = stack[n[DEPTH] - 1, IS_FOREIGN]
    if not self_closing:
        holds_html = flags & (SVG_TEXT if inside == SVG else MATH_TEXT) != 0
        push(n, stack, ~name, SPECIAL | SCOPE if holds_html else 0, 0, HOLDS_HTML if holds_html else inside)
    return True


@njit(cache=True, nogil=True)
def _start_in_table(n, stack, active, name, flags):  # type: ignore[no-untyped-def]
    """A cell, row or section: closes what is open in the innermost table, and opens what was left out."""
    table = find(n, stack, TABLE, 0, TEMPLATE)
    if table < 0:
        return
    below = table
    for i in range(n[DEPTH] - 1, table, -1):
        if (flags & CELL and stack[i, FLAG] & ROW) or (flags & (CELL | ROW) and stack[i, FLAG] & SECTION):
            below = i
            break
    doubt = n[DOUBT]
    pop_to(n, stack, active, below + 1)
    n[DOUBT] = doubt
    if flags & (CELL | ROW) and below == table:
        push(n, stack, TBODY, SECTION, 0, 0)
    if flags & CELL and not stack[below, FLAG] & ROW:
        push(n, stack, TR, ROW, 0, 0)
    push(n, stack, name, flags, 0, 0)
    if flags & MARKER:
        activate(n, active, 0, 0, 0)


@njit(cache=True, nogil=True)
def _start_in_select(n, stack, active, flags):  # type: ignore[no-untyped-def]
    """A select, option or optgroup; False for a select that closes the open one and is none itself."""
    if flags & SELECT and close(n, stack, active, SELECT, 0, SCOPE):
        n[DOUBT] += 1
        return False
    in_select = find(n, stack, SELECT, 0, 0) >= 0
    n[OPTIONS] = n[OPTIONS] + 1 if in_select else 0
    n[WORK] += n[OPTIONS]
    _close_top(n, stack, active, OPTION)
    if flags & OPTGROUP and in_select:
        _close_top(n, stack, active, OPTGROUP)
    return True


@njit(cache=True, nogil=True)
def _close_top(n, stack, active, flag):  # type: ignore[no-untyped-def]
    if n[DEPTH] and stack[n[DEPTH] - 1, FLAG] & flag:
        pop_to(n, stack, active, n[DEPTH] - 1)
        n[DOUBT] += not flag & OPTION


@njit(cache=True, nogil=True)
def _close_item(n, stack, active, flag):  # type: ignore[no-untyped-def]
    """The list item, or term and definition, that another one ends."""
    for i in range(n[DEPTH] - 1, -1, -1):
        if stack[i, FLAG] & flag:
            pop_to(n, stack, active, i)
            return
        if stack[i, FLAG] & SPECIAL and not stack[i, FLAG] & CLEAR:
            return


@njit(cache=True, nogil=True)
def start(n, stack, active, name, flags, tag, self_closing):  # type: ignore[no-untyped-def]
    """A start tag; see start_formatting for `tag`."""
    count(n, 1)
    n[FRAMESETS] += flags & FRAMESET != 0
    if n[DEPTH] and stack[n[DEPTH] - 1, IS_FOREIGN] > 0 and _start_in_foreign(n, stack, name, flags, self_closing):
        return
    if flags & FORM:
        n[FORMS] += 1
    if flags & IGNORED or (flags & FORM and n[FORMS] > 1 and find(n, stack, TEMPLATE, 0, 0) < 0):
        return
    if flags & (CELL | ROW | SECTION | CAPTION):
        _start_in_table(n, stack, active, name, flags)
        return
    if flags & CLOSES_P:
        close(n, stack, active, P, 0, SCOPE | BUTTON)
    if flags & TABLE:
        close(n, stack, active, TABLE, 0, CELL | CAPTION | TEMPLATE)
    if flags & VOID:
        reopen(n, stack, active)
        return
    if flags & FORMATTING:
        start_formatting(n, stack, active, name, flags, tag)
        return
    if flags & (SELECT | OPTION | OPTGROUP) and not _start_in_select(n, stack, active, flags):
        return
    if flags & (LI | DD):
        _close_item(n, stack, active, flags & (LI | DD))
    if flags & BUTTON:
        close(n, stack, active, BUTTON, 0, SCOPE)
    if flags & HEADING:
        _close_top(n, stack, active, HEADING)
    if flags & RUBY and find(n, stack, RUBY_ROOT, 0, SCOPE) >= 0:
        while n[DEPTH] and stack[n[DEPTH] - 1, FLAG] & IMPLIED:
            _close_top(n, stack, active, IMPLIED)
    if not flags & (SPECIAL | RUBY) or flags & (MARKER | BUTTON | SELECT):
        reopen(n, stack, active)
    if flags & (SVG | MATH) and self_closing:
        return
    is_foreign = flags & (SVG | MATH)
    push(n, stack, ~name if is_foreign else name, flags, 0, is_foreign)
    if flags & MARKER:
        activate(n, active, 0, 0, 0)


@njit(cache=True, nogil=True)
def end(n, stack, active, name, flags):  # type: ignore[no-untyped-def]
    """An end tag."""
    # What it closes is searched for on the whole stack, at 3 ns a step.
    n[WORK] += n[DEPTH] >> 4
    top = n[DEPTH] - 1
    while top >= 0 and stack[top, IS_FOREIGN]:
        if stack[top, NAME] == ~name:
            pop_to(n, stack, active, top)
            return
        top -= 1
    if flags & VOID:
        count(n, 1)  # </br> is an element; no other one of these is.
        return
    if flags & IGNORED:
        return
    if flags & FORMATTING and end_formatting(n, stack, active, name, 0):
        return
    if flags & (ROW | SECTION | TABLE):
        at = find(n, stack, 0, name, TABLE | TEMPLATE)
        if at >= 0:
            doubt = n[DOUBT]
            pop_to(n, stack, active, at)
            n[DOUBT] = doubt
    elif flags & (CELL | CAPTION):
        close(n, stack, active, 0, name, TABLE | TEMPLATE)
    elif flags & HEADING:
        close(n, stack, active, HEADING, 0, SCOPE)
    elif flags & FORM:
        n[FORMS] = 0
        at = find(n, stack, FORM, 0, SCOPE)
        if at >= 0:
            take_out(n, stack, at)
    elif flags & TEMPLATE:
        close(n, stack, active, TEMPLATE, 0, 0)
    elif flags & SPECIAL:
        hidden_by = SCOPE | (BUTTON if flags & P else 0) | (LIST if flags & LI else 0)
        if not close(n, stack, active, 0, name, hidden_by) and flags & P:
            count(n, 1)
    else:
        close(n, stack, active, 0, name, SPECIAL)
