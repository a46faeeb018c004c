"""What devices exchange over the links between them, and what backward hides of it.

In: a profile, bytes, numbers of devices. Out: microseconds. Must not know fits, runs or torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.core.emulated import Profile, all_reduce_us

# DistributedDataParallel sends gradients in buckets: the first of 1 MiB, the others of 25
# (torch.nn.parallel.DistributedDataParallel, bucket_cap_mb; dist._DEFAULT_FIRST_BUCKET_BYTES).
FIRST_BUCKET, BUCKET = 2**20, 25 * 2**20
# Share of a training step's device time that is backward, behind which buckets can be sent: two of three products.
BACKWARD = 2 / 3

# What two nodes have between them, GB/s a node: AWS instances of these devices (Amazon EC2 Accelerated Computing
# Instances, aws.amazon.com/ec2/instance-types): p3dn 100 Gbit/s, p4d 400, p5 and p5en 3,200.
NETWORK_GB_S = {"V100": 12.5, "A100": 50.0, "H100": 400.0, "H200": 400.0}
DEFAULT_NETWORK_GB_S = 12.5
# assumed: one hop between nodes; NCCL's own model takes 14 us for a ring's hop (src/graph/tuning.cc).
NETWORK_LATENCY_US = 14.0


@dataclass(frozen=True)
class Links:
    """What devices exchange gradients over; profile: of a node; network_gb_s: bytes between two nodes, for a node as a
    whole."""

    profile: Profile
    per_node: int
    network_gb_s: float = DEFAULT_NETWORK_GB_S
    network_latency_us: float = NETWORK_LATENCY_US

    def nodes(self, devices: int) -> int:
        return math.ceil(devices / self.per_node)

    def allreduce_us(self, bytes_: float, devices: int) -> float:
        """Within a node by the profile (emulator.times.collectives). Between nodes a ring over the slower of link and
        network, at which each device sends 2 (n - 1) / n of the bytes (nccl-tests, PERFORMANCE.md), and the latency of
        a tree up and down on top."""
        if devices <= 1:
            return 0.0
        nodes, within = self.nodes(devices), min(devices, self.per_node)
        here = float(all_reduce_us(self.profile, bytes_, within))
        if nodes == 1:
            return here
        latency = float(all_reduce_us(self.profile, 0.0, within))
        hops = 2 * math.ceil(math.log2(nodes)) * self.network_latency_us
        ring = 2 * (devices - 1) / devices * bytes_ / (self.network_gb_s * 1e3)
        return max(here, latency + ring) + hops

    def exchange_us(self, bytes_: float, devices: int) -> tuple[float, float]:
        """All-reduce of all buckets of a step, and of the last one, behind which nothing is left to do."""
        if devices <= 1:
            return 0.0, 0.0
        first = min(bytes_, FIRST_BUCKET)
        whole, last = divmod(bytes_ - first, BUCKET)
        sizes = [first, *[float(BUCKET)] * int(whole), *([last] if last else [])]
        times = [self.allreduce_us(size, devices) for size in sizes]
        return sum(times), times[-1]


def links_of(profile: Profile, network_gb_s: float | None = None, per_node: int | None = None) -> Links:
    known = next((rate for name, rate in NETWORK_GB_S.items() if name in profile.name), DEFAULT_NETWORK_GB_S)
    return Links(profile, per_node or profile.devices, network_gb_s or known)


def exposed_us(all_us: float, last_us: float, device_us: float) -> float:
    """The part of the all-reduce that backward does not hide: at least the last bucket."""
    return max(all_us - BACKWARD * device_us, last_us)
