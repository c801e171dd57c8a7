"""The stack of open elements and the list of active formatting elements (HTML standard, 13.2.4), for compiled code."""

from numba import njit

from curate.text.html_tags import (
    ANCHOR,
    FORMATTING,
    IMPLIED,
    MARKER,
    ONCE,
    SCOPE,
    SPECIAL,
)

# State of the pass. `n`: sizes and counters. Stack and list: one row an entry.
DEPTH, ACTIVE, NODES, IDS, CLOSED, WORK, OPTIONS, FRAMESETS, DOUBT, DEEPEST, FORMS = range(11)
TEXT, MISPLACED, COPIES, NUMBERS = range(11, 15)
NAME, FLAG, ID, IS_FOREIGN = range(4)  # columns of the stack
A_NAME, A_TAG, A_ID, A_OPEN = range(4)  # columns of the list of active formatting elements; a marker's id is 0


@njit(cache=True, nogil=True)
def count(n, nodes):  # type: ignore[no-untyped-def]
    """Count nodes at the present depth."""
    n[NODES] += nodes
    n[WORK] += nodes * (n[DEPTH] + (n[DOUBT] >> 6))


@njit(cache=True, nogil=True)
def push(n, stack, name, flags, identity, foreign):  # type: ignore[no-untyped-def]
    """Open an element; `identity`: its number in the list of formatting elements, 0 for others."""
    if n[DEPTH] < len(stack):  # The scan stops as soon as the stack is full.
        stack[n[DEPTH], NAME] = name
        stack[n[DEPTH], FLAG] = flags
        stack[n[DEPTH], ID] = identity
        stack[n[DEPTH], IS_FOREIGN] = foreign
        n[DEPTH] += 1


@njit(cache=True, nogil=True)
def activate(n, active, name, tag, identity):  # type: ignore[no-untyped-def]
    """Add a formatting element to the list, or a marker: `identity` 0."""
    if n[ACTIVE] < len(active):
        active[n[ACTIVE], A_NAME] = name
        active[n[ACTIVE], A_TAG] = tag
        active[n[ACTIVE], A_ID] = identity
        active[n[ACTIVE], A_OPEN] = 1
        n[ACTIVE] += 1


@njit(cache=True, nogil=True)
def _deactivate(n, active, at):  # type: ignore[no-untyped-def]
    n[CLOSED] -= 1 - active[at, A_OPEN]
    for i in range(at, n[ACTIVE] - 1):
        active[i] = active[i + 1]
    n[ACTIVE] -= 1


@njit(cache=True, nogil=True)
def pop_to(n, stack, active, depth):  # type: ignore[no-untyped-def]
    """Close elements until `depth` are open. Formatting elements closed so stay in the list, to be opened again."""
    for i in range(depth + 1, n[DEPTH]):
        if not stack[i, FLAG] & IMPLIED:
            n[DOUBT] += n[DEPTH] - depth
            break
    while n[DEPTH] > depth:
        n[DEPTH] -= 1
        top = n[DEPTH]
        if stack[top, FLAG] & MARKER:
            while n[ACTIVE] > 0:
                last = n[ACTIVE] - 1
                is_marker = active[last, A_ID] == 0
                _deactivate(n, active, last)
                if is_marker:
                    break
        elif stack[top, ID]:
            for i in range(n[ACTIVE] - 1, -1, -1):
                if active[i, A_ID] == stack[top, ID]:
                    n[CLOSED] += active[i, A_OPEN]
                    active[i, A_OPEN] = 0
                    break


@njit(cache=True, nogil=True)
def reopen(n, stack, active):  # type: ignore[no-untyped-def]
    """Open again what an end tag of a block closed: "reconstruct the active formatting elements"."""
    if n[CLOSED] == 0:
        return
    first = n[ACTIVE]
    while first > 0 and active[first - 1, A_ID]:
        first -= 1
    for i in range(first, n[ACTIVE]):
        if not active[i, A_OPEN]:
            active[i, A_OPEN] = 1
            n[CLOSED] -= 1
            count(n, 1)
            push(n, stack, active[i, A_NAME], FORMATTING, active[i, A_ID], 0)


@njit(cache=True, nogil=True)
def find(n, stack, flag, name, barrier):  # type: ignore[no-untyped-def]
    """Depth of the innermost element with `flag` (where that is 0: `name`) that no `barrier` hides; -1 is none."""
    for i in range(n[DEPTH] - 1, -1, -1):
        if (flag and stack[i, FLAG] & flag) or (not flag and stack[i, NAME] == name):
            return i
        if stack[i, FLAG] & barrier:
            return -1
    return -1


@njit(cache=True, nogil=True)
def close(n, stack, active, flag, name, barrier):  # type: ignore[no-untyped-def]
    """Close what `find` finds, and all inside it; whether there was something."""
    at = find(n, stack, flag, name, barrier)
    if at >= 0:
        pop_to(n, stack, active, at)
    return at >= 0


@njit(cache=True, nogil=True)
def take_out(n, stack, at):  # type: ignore[no-untyped-def]
    """Close one element; what is open inside it stays open."""
    for i in range(at, n[DEPTH] - 1):
        stack[i] = stack[i + 1]
    n[DEPTH] -= 1


@njit(cache=True, nogil=True)
def end_formatting(n, stack, active, name, out_of_scope):  # type: ignore[no-untyped-def]
    """Close the innermost active formatting element of this name; False where there is none.

    One that a table, cell or `select` hides stays as it is, unless `out_of_scope`.
    """
    entry = n[ACTIVE] - 1
    while entry >= 0 and active[entry, A_ID] and active[entry, A_NAME] != name:
        entry -= 1
    if entry < 0 or not active[entry, A_ID]:
        return False
    if not active[entry, A_OPEN]:
        _deactivate(n, active, entry)
        return True
    at, above = n[DEPTH] - 1, 0
    while at > 0 and stack[at, ID] != active[entry, A_ID]:
        above |= stack[at, FLAG]
        at -= 1
    if above & SCOPE and not out_of_scope:
        return True
    _deactivate(n, active, entry)
    if above & SPECIAL:
        take_out(n, stack, at)
        n[DOUBT] += 1
        count(n, 8)
    else:
        n[DOUBT] += n[DEPTH] - 1 - at
        pop_to(n, stack, active, at)
    return True


@njit(cache=True, nogil=True)
def start_formatting(n, stack, active, name, flags, tag):  # type: ignore[no-untyped-def]
    """Open `a`, `b` or the like; `tag`: a hash of its name and attributes."""
    if flags & ONCE:
        reopen(n, stack, active)
        end_formatting(n, stack, active, name, flags & ANCHOR)
    reopen(n, stack, active)
    same, earliest = 0, -1
    for i in range(n[ACTIVE] - 1, -1, -1):
        if active[i, A_ID] == 0:
            break
        if active[i, A_TAG] == tag:
            same, earliest = same + 1, i
    if same >= 3:  # "Noah's Ark": at most three of a kind are opened again
        _deactivate(n, active, earliest)
    n[IDS] += 1
    activate(n, active, name, tag, n[IDS])
    push(n, stack, name, flags, n[IDS], 0)
