"""What the host does in a step beside torch's work: own Python, waits for data and for the device, by file and line.

In: a step that can be called. Out: a Look. Must not know records, sweeps or modes.
"""

from harness.diagnosis.host.found import Look, Spot, Wait
from harness.diagnosis.host.look import look

__all__ = ["Look", "Spot", "Wait", "look"]
