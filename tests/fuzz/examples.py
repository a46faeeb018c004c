"""How many inputs are made up, and of what: the same ones each time, so that a failure is one everywhere."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Those at which a 64-bit integer, a double or a count ends, and any.
EDGES = (
    0,
    -1,
    1,
    2**31,
    2**40,
    2**53,
    2**62,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63),
    10**30,
    1e-300,
    1e300,
    0.5,
    -0.0,
)
# None that are subnormal: libraries that other tests load have the processor take those for 0.
NUMBERS = st.one_of(
    st.sampled_from(EDGES),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
