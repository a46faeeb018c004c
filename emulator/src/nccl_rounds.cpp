#include "nccl_rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "own_file.h"
#include "timeline.h"

namespace emulator {
namespace {

// A rank comes to a round only after it has left the one before, so two would do; four are a power of two.
constexpr std::uint64_t KEPT_ROUNDS = 4;
constexpr timespec PAUSE{0, 1'000'000};
// To ask whether a process still runs is to read a file, so not at every look.
constexpr Nanos LOOK_FOR_DEAD = 50'000'000;

// Ranks that were started together may reach their first collective minutes apart. PyTorch, too, gives NCCL 10 minutes
// (torch.distributed.init_process_group).
Nanos patience() {
    static const Nanos waits = [] {
        const char* given = std::getenv("EMULATOR_NCCL_WAIT_S");
        if (!given || !*given) return Nanos{600'000'000'000};
        char* end = nullptr;
        const double seconds = std::strtod(given, &end);
        if (*end || !(seconds > 0 && seconds < 1e9)) {
            std::fprintf(stderr, "emulator: EMULATOR_NCCL_WAIT_S=%s is refused; allowed: seconds above 0\n", given);
            std::_Exit(1);
        }
        return from_us(seconds * 1e6);
    }();
    return waits;
}

struct Member {
    pid_t pid;
    std::uint64_t started;
    std::atomic<std::uint64_t> came;  // rounds it has come to; 0: it has not joined, and the fields above say nothing
    std::atomic<bool> gone;           // it has given the communicator up
};

struct Round {
    std::atomic<Nanos> arrivals[MAX_RANKS];
    std::atomic<Nanos> durations[MAX_RANKS];
};

}  // namespace

struct Rounds::Shared {
    std::atomic<int> seats;  // taken
    Member members[MAX_RANKS];
    Round rounds[KEPT_ROUNDS];
    char data[KEPT_ROUNDS][MAX_RANKS][KEPT_BYTES];
};

std::unique_ptr<Rounds> Rounds::of_file(const std::string& path, int ranks, int rank, std::vector<Process> known) {
    const int file = open_own(path, O_RDWR);
    if (file < 0) return nullptr;
    void* at = MAP_FAILED;
    if (ftruncate(file, sizeof(Shared)) == 0)
        at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    const int error = errno;
    close(file);
    errno = error;
    if (at == MAP_FAILED) return nullptr;
    return std::unique_ptr<Rounds>(new Rounds(static_cast<Shared*>(at), path, ranks, rank, std::move(known)));
}

Rounds::Rounds(Shared* shared, std::string path, int ranks, int rank, std::vector<Process> known)
    : shared_(shared), path_(std::move(path)), ranks_(ranks), rank_(rank), known_(std::move(known)) {
    const Process self = this_process();
    shared_->members[rank_].pid = self.pid;
    shared_->members[rank_].started = self.started;
    // All have it mapped. Before anybody can go on, who might meet under the same name again.
    if (shared_->seats.fetch_add(1) + 1 == ranks_) unlink(path_.c_str());
}

Rounds::~Rounds() {
    shared_->members[rank_].gone.store(true);
    if (shared_->seats.load() < ranks_) unlink(path_.c_str());
    munmap(shared_, sizeof(Shared));
}

char* Rounds::data(std::uint64_t number, int rank) const { return shared_->data[number % KEPT_ROUNDS][rank]; }

void Rounds::tell_times(std::uint64_t number, Nanos arrival, Nanos duration) {
    Round& round = shared_->rounds[number % KEPT_ROUNDS];
    round.arrivals[rank_].store(arrival);
    round.durations[rank_].store(duration);
}

void Rounds::read_times(std::uint64_t number, Nanos& arrival, Nanos& duration) const {
    const Round& round = shared_->rounds[number % KEPT_ROUNDS];
    arrival = duration = 0;
    for (int rank = 0; rank < ranks_; ++rank) {
        arrival = std::max(arrival, round.arrivals[rank].load());
        duration = std::max(duration, round.durations[rank].load());
    }
}

void Rounds::come(std::uint64_t number) {
    shared_->members[rank_].came.store(number + 1);
    if (complete(number)) node().ring();
}

bool Rounds::complete(std::uint64_t number) const {
    for (int rank = 0; rank < ranks_; ++rank)
        if (shared_->members[rank].came.load() <= number) return false;
    return true;
}

void Rounds::abort() {
    aborted_.store(true);
    shared_->members[rank_].gone.store(true);
    node().ring();  // what waits for it goes on
}

int Rounds::lost(std::uint64_t number, bool processes) const {
    for (int rank = 0; rank < ranks_; ++rank) {
        const Member& member = shared_->members[rank];
        bool gone = member.gone.load();
        if (!gone && processes) {
            Process process;
            if (member.came.load())
                process = {member.pid, member.started};
            else if (!known_.empty())
                process = known_[static_cast<std::size_t>(rank)];
            gone = process.pid && !process.alive();
        }
        // In this order: it may have left for good once the round was complete.
        if (gone && !complete(number)) return rank;
    }
    return -1;
}

template <class Condition>
ncclResult_t Rounds::await(std::uint64_t number, int device, Condition&& condition) const {
    const Nanos since = now();
    for (Nanos looked = since;; nanosleep(&PAUSE, nullptr)) {
        if (condition()) return ncclSuccess;
        // Asked only of a device in use, since asking takes a context on it.
        if (aborted() || (used(device) && emulator::device(device)->error.load())) return ncclUnhandledCudaError;
        const Nanos at = now();
        const bool look = at - looked >= LOOK_FOR_DEAD;
        if (look) looked = at;
        if (const int rank = lost(number, look); rank >= 0) {
            std::fprintf(stderr, "emulator: NCCL: rank %d of %d is gone, so rank %d waits no longer\n", rank, ranks_, rank_);
            return ncclRemoteError;
        }
        if (at - since >= patience()) {
            std::fprintf(stderr, "emulator: NCCL: rank %d of %d has waited %.0f s for the others (EMULATOR_NCCL_WAIT_S)\n", rank_,
                         ranks_, static_cast<double>(patience()) / 1e9);
            return ncclRemoteError;
        }
    }
}

ncclResult_t Rounds::await_turn(std::uint64_t number, int device) const {
    return await(number, device, [&] { return has_turn(number); });
}

ncclResult_t Rounds::await_complete(std::uint64_t number, int device) const {
    return await(number, device, [&] { return complete(number); });
}

}  // namespace emulator
