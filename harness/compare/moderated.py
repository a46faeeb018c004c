"""What the points of two runs know together of their noise.

In: errors of many points. Out: the same estimates, with errors that lean on each other. Must not know what is compared.

Five sessions know a point's own noise badly: by 4 degrees of freedom a variance is easily half or twice what it is, and
an interval that must hold after a correction for many points is then far wider than it need be. Points of one run are
much alike in it. So each variance is taken for a draw from a scaled inverse chi-squared distribution, whose
parameters are found from all of them, and replaced by its mean given the point's own: Smyth's moderated t (Statistical
Applications in Genetics and Molecular Biology 3, 2004). Where points differ in their noise by more than chance, little
is left of that by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median

from scipy.special import polygamma, psi

from harness.core.stats.intervals import Error

# Of fewer points the distribution is not known.
FEWEST_POINTS = 8
# Points share their sessions, so that together they know less than as many that share none: what they know counts at
# most like so many times the point's own degrees of freedom.
MOST_OVER_OWN = 2.0


def moderated(errors: Mapping[str, Error]) -> dict[str, Error]:
    """By the keys given; unchanged what has no error, and all where there are few points."""
    known = [error for error in errors.values() if error.dof > 0 and error.standard > 0]
    if len(known) < FEWEST_POINTS:
        return dict(errors)
    logs = [_unbiased_log(error) for error in known]
    centre = fmean(logs)
    spread = sum((log - centre) ** 2 for log in logs) / (len(logs) - 1)
    beyond = spread - fmean(float(polygamma(1, error.dof / 2)) for error in known)
    most = MOST_OVER_OWN * median(error.dof for error in known)
    prior = min(2 * _inverse_trigamma(beyond), most) if beyond > 0 else most
    usual = math.exp(centre + float(psi(prior / 2)) - math.log(prior / 2))
    return {key: _leaning(error, usual, prior) for key, error in errors.items()}


def _unbiased_log(error: Error) -> float:
    """Of the variance: without what its few degrees of freedom take from its logarithm."""
    half = error.dof / 2
    return math.log(error.standard**2) - float(psi(half)) + math.log(half)


def _leaning(error: Error, usual: float, prior: float) -> Error:
    if not error.dof > 0:
        return error
    dof = error.dof + prior
    return Error(error.estimate, math.sqrt((error.dof * error.standard**2 + prior * usual) / dof), dof)


def _inverse_trigamma(value: float) -> float:
    """Newton's method on 1 / trigamma, which is nearly a line (Smyth, appendix). value: above 0."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    found = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, found))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, found))
        found += step
        if abs(step) < 1e-9 * found:
            break
    return found
