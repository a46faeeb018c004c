// Rounds: how the ranks of a communicator meet. Joining is round 0; each collective and each split is one more. All
// ranks go through the same rounds in the same order, over memory that their processes share (a file beside the
// node's). A rank comes to a round once it has left the one before; the round is complete when all have come.
#pragma once
#include <nccl.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "clock.h"
#include "memory.h"
#include "process.h"

namespace emulator {

constexpr int MAX_RANKS = 64;

class Rounds {
   public:
    // The rank's seat; null, with errno, where the file cannot be had. known: the processes of the ranks, where
    // somebody knows them before they have joined; empty, or one a rank.
    static std::unique_ptr<Rounds> of_file(const std::string& path, int ranks, int rank, std::vector<Process> known);
    // The rank leaves for good: the others wait for it no longer. Leaves no file behind, were all there or not.
    ~Rounds();
    Rounds(const Rounds&) = delete;

    int ranks() const { return ranks_; }
    int rank() const { return rank_; }
    const std::string& path() const { return path_; }

    // The number of this rank's next round, in the order of its calls.
    std::uint64_t next() { return next_++; }
    // Whether the rank has left all rounds before.
    bool has_turn(std::uint64_t number) const { return left_.load() == number; }
    // What the rank brings and all can read, KEPT_BYTES of it, from its coming until it has left.
    char* data(std::uint64_t number, int rank) const;
    // When the rank's stream came, and what the round takes on its device.
    void tell_times(std::uint64_t number, Nanos arrival, Nanos duration);
    // When the last one came, and what it takes on the slowest device; of a complete round.
    void read_times(std::uint64_t number, Nanos& arrival, Nanos& duration) const;
    void come(std::uint64_t number);
    bool complete(std::uint64_t number) const;
    void leave(std::uint64_t number) { left_.store(number + 1); }

    // This process gives the communicator up: nothing waits for it any longer, here or at the other ranks.
    void abort();
    bool aborted() const { return aborted_.load(); }

    // Waits of a call that blocks, for at most EMULATOR_NCCL_WAIT_S seconds (600). An error also where the
    // communicator was aborted, the device failed (a visible one's index), or a rank is gone before the round was
    // complete.
    ncclResult_t await_turn(std::uint64_t number, int device) const;
    ncclResult_t await_complete(std::uint64_t number, int device) const;

   private:
    struct Shared;

    Rounds(Shared* shared, std::string path, int ranks, int rank, std::vector<Process> known);
    template <class Condition>
    ncclResult_t await(std::uint64_t number, int device, Condition&& condition) const;
    // A rank that is gone before the round was complete, whether it had come to it or not; -1 if there is none.
    // processes: look for those that died as well, which takes longer.
    int lost(std::uint64_t number, bool processes) const;

    Shared* shared_;
    const std::string path_;
    const int ranks_, rank_;
    const std::vector<Process> known_;
    std::atomic<std::uint64_t> next_{0}, left_{0};
    std::atomic<bool> aborted_{false};
};

}  // namespace emulator
