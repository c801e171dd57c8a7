"""Which documents are so long that their shingles say nothing: those that hold most of what their language has.

64-bit hashes do not saturate: two sets of n have n^2 / 2^64 of them in common by chance, 5e-8 for a million each. What
runs out is the repertory of short shingles. Jaccard of English texts on three unrelated subjects (a political FAQ, the
manuals of PostgreSQL and of Python), smallest and largest of the three pairs:

    text of each     10 kB        200 kB        500 kB        3 MB          distinct of total at 500 kB
    4 characters     .26  .29     .43  .48      .43  .50      .42  .49      0.04
    5 characters     .14  .16     .31  .36      .31  .39      .34  .41      0.10
    8 characters     .03  .03     .08  .12      .10  .16      .14  .21      0.37
    24 characters    .00  .00     .00  .00      .00  .00      .00  .00      0.87
    1 word           .12  .16     .18  .30      .18  .34      .19  .31      0.08
    5 words          .00  .00     .00  .00      .00  .00      .00  .00      0.9

So `dolma3` proposes 1 in 1,000 of such pairs, and of an unrelated text of 3 kB 82 % of the shingles stand in one of
500 kB (0 % with 5 words or 24 characters): containment joins anything to it. `fineweb` and `nemo` saturate at no length
that was tried.
"""

import numpy as np
import numpy.typing as npt

from curate.shingles import Shingles

MAX_NEW_SHARE = 0.2
"""Distinct shingles by all, below which most of what a text of this language would add is there already."""


def repertory(shingles: Shingles) -> float:
    """Distinct shingles at which the unrelated texts above have about a third in common: 5,000 for 4 characters and
    30,000 for 5; 5,000 for one word or token, beyond any document for two.
    """
    if shingles.unit == "characters":
        return 3.2 * 6.25**shingles.size
    return 5_000.0 * 300.0 ** (shingles.size - 1)


def distinct_shingles(minima: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """How many distinct shingles a text has, from its signature; float64[n], 0.0 without any.

    The mean of num_perm minima of d hashes is 1 / (d + 1); relative standard error 1 / sqrt(num_perm - 2): 10 % for
    112. Source: Cohen 1997, size-estimation framework.
    """
    total: npt.NDArray[np.float64] = (minima / 2.0**64).sum(axis=1)
    return np.asarray(minima.shape[1] / total - 1.0, np.float64)


def saturated(
    minima: npt.NDArray[np.uint64], num_shingles: npt.NDArray[np.int64], shingles: Shingles
) -> npt.NDArray[np.bool_]:
    """Whether a text has more distinct shingles than `repertory`, and of all its shingles a share below MAX_NEW_SHARE;
    bool[n]. `minima` and `num_shingles` are `text_signatures`'.

    The share keeps out scripts with more characters: in 30,000 runs of 5 a Chinese text hardly repeats one.
    The number keeps out short texts that repeat themselves.
    """
    distinct = distinct_shingles(minima)
    return (distinct > repertory(shingles)) & (distinct < MAX_NEW_SHARE * num_shingles)
