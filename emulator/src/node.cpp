#include "node.h"
#include "own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

namespace emulator {
namespace {

constexpr std::uint64_t MAGIC = 0x656d75'0001;
// A reader tries again while a context is being changed. A change takes less than a microsecond, but its writer may
// have lost the core meanwhile, so after some tries the reader gives way; if the writer died in the middle of it, the
// reader takes what there is.
constexpr int TRIES = 300, TRIES_AT_ONCE = 20;
constexpr timespec GIVE_WAY{0, 200'000};
// Intervals that are overwritten while later ones are taken back are not read (see add_busy).
constexpr std::uint64_t READABLE = INTERVALS - 4096;
// The last intervals, which may still change: the next one is joined with one or a few of them. Those before are final.
constexpr std::uint64_t TAIL = 64;
constexpr Nanos LOOK_FOR_DEAD = 20'000'000;

[[noreturn]] void refuse(const std::string& path) {
    std::fprintf(stderr, "emulator: EMULATOR_NODE: %s: %s\n", path.c_str(), std::strerror(errno));
    std::_Exit(1);
}

[[noreturn]] void refuse_stale(const std::string& path) {
    std::fprintf(stderr, "emulator: EMULATOR_NODE: %s was made by another version of the emulator: remove it\n", path.c_str());
    std::_Exit(1);
}

std::string node_path() {
    const char* named = std::getenv("EMULATOR_NODE");
    if (named && *named) return named;
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    return std::string(runtime && *runtime ? runtime : "/tmp") + "/emulated-node-" + std::to_string(getuid());
}

// Field 22 of /proc/PID/stat: when the process was started; 0 if it has ended (field 3), waited for or not. The name
// before may hold anything, so read from the last bracket on (proc(5)).
std::uint64_t start_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto bracket = text.rfind(')');
    if (bracket == std::string::npos) return 0;
    std::istringstream fields(text.substr(bracket + 1));
    std::string word;
    for (int field = 3; field <= 22 && fields >> word; ++field)
        if (field == 3 && (word == "Z" || word == "X")) return 0;
    return std::strtoull(word.c_str(), nullptr, 10);
}

Node* map_node() {
    const std::string path = node_path();
    const int file = open_own(path, O_RDWR);
    if (file < 0) refuse(path);
    struct stat about;
    while (flock(file, LOCK_EX) != 0)
        if (errno != EINTR) refuse(path);  // Python's signal handlers interrupt calls
    if (fstat(file, &about) != 0) refuse(path);
    if (about.st_size == 0 && ftruncate(file, sizeof(Node)) != 0) refuse(path);
    if (about.st_size != 0 && about.st_size != static_cast<off_t>(sizeof(Node))) refuse_stale(path);
    void* at = mmap(nullptr, sizeof(Node), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) refuse(path);
    Node* mapped = static_cast<Node*>(at);
    if (mapped->magic != 0 && mapped->magic != MAGIC) refuse_stale(path);
    if (mapped->magic == 0) {
        pthread_mutexattr_t kind;
        pthread_mutexattr_init(&kind);
        pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&mapped->lock, &kind);
        mapped->created = now();
        mapped->magic = MAGIC;
    }
    flock(file, LOCK_UN);
    close(file);
    return mapped;
}

class Locked {
   public:
    explicit Locked(pthread_mutex_t& lock) : lock_(lock) {
        if (pthread_mutex_lock(&lock_) == EOWNERDEAD) pthread_mutex_consistent(&lock_);
    }
    ~Locked() { pthread_mutex_unlock(&lock_); }

   private:
    pthread_mutex_t& lock_;
};

void retire(Node& node, Context& context) {
    // A process that is gone took its queued work with it.
    const Nanos at = now();
    node.devices[context.device].retired_busy_ns += context.busy_until(at);
    context.retired_at = at;
    context.memory_bytes = 0;
    context.pid = 0;
}

}  // namespace

void Context::add_busy(Nanos start, Nanos end) {
    if (end <= start) return;
    writing.fetch_add(1);
    std::atomic_thread_fence(std::memory_order_release);
    // Take back the intervals that reach into the new one or lie behind it; usually none or one.
    Interval* last = nullptr;
    std::vector<std::pair<Nanos, Nanos>> behind;
    std::uint64_t count = written.load(std::memory_order_relaxed);
    const std::uint64_t floor = count > INTERVALS ? count - INTERVALS : 0;
    Nanos before = 0;
    while (count > floor) {
        last = &intervals[(count - 1) % INTERVALS];
        const Nanos s = last->start.load(std::memory_order_relaxed), e = last->end.load(std::memory_order_relaxed);
        if (e < start) break;
        --count;
        before += e - s;
        if (s > end)
            behind.emplace_back(s, e);
        else {
            start = std::min(start, s);
            end = std::max(end, e);
        }
    }
    Nanos after = 0;
    auto put = [&](Nanos s, Nanos e) {
        Interval& slot = intervals[count++ % INTERVALS];
        slot.start.store(s, std::memory_order_relaxed);
        slot.end.store(e, std::memory_order_relaxed);
        after += e - s;
    };
    put(start, end);
    for (auto it = behind.rbegin(); it != behind.rend(); ++it) put(it->first, it->second);
    written.store(count, std::memory_order_relaxed);
    busy_ns.store(busy_ns.load(std::memory_order_relaxed) + after - before, std::memory_order_relaxed);
    writing.fetch_add(1);
}

Nanos Context::closed_between(Nanos from, Nanos to, Nanos* total) const {
    Nanos sum = 0;
    std::uint64_t count = 0, floor = 0;
    auto add = [&](std::uint64_t number) {
        const Interval& interval = intervals[number % INTERVALS];
        const Nanos end = interval.end.load(std::memory_order_relaxed);
        if (end <= from) return false;
        const Nanos s = std::max(interval.start.load(std::memory_order_relaxed), from);
        const Nanos e = std::min(end, to);
        if (e > s) sum += e - s;
        return true;
    };
    bool more = true;
    // The tail alone is read in one piece: reading all of a window takes longer than a busy writer pauses, and the
    // reader would try again and again.
    for (int tries = 0; tries < TRIES; ++tries) {
        const bool last = tries + 1 == TRIES;
        const std::uint32_t before = writing.load();
        if (before % 2 && !last) {
            if (tries >= TRIES_AT_ONCE) nanosleep(&GIVE_WAY, nullptr);
            continue;
        }
        sum = 0;
        more = true;
        if (total) *total = busy_ns.load();
        count = written.load();
        floor = count > READABLE ? count - READABLE : 0;
        const std::uint64_t final = std::max(floor, count > TAIL ? count - TAIL : 0);
        while (count > final && (more = add(count - 1))) --count;
        std::atomic_thread_fence(std::memory_order_acquire);
        if (writing.load() == before) break;
    }
    while (count > floor && more && (more = add(count - 1))) --count;
    return sum;
}

Nanos Context::busy_between(Nanos from, Nanos to) const {
    if (to <= from) return 0;
    const Nanos open = open_since.load();
    if (!open || open >= to) return closed_between(from, to);
    // From its beginning on the open collective covers whatever else runs.
    return closed_between(from, std::max(open, from)) + (to - std::max(open, from));
}

Nanos Context::busy_until(Nanos at) const {
    const Nanos open = open_since.load();
    const Nanos from = open && open < at ? open : at;
    Nanos total = 0;
    const Nanos ahead = closed_between(from, ~Nanos{0}, &total);
    return (total > ahead ? total - ahead : 0) + (at - from);
}

bool Context::alive() const {
    const pid_t owner = pid.load();
    return owner != 0 && (kill(owner, 0) == 0 || errno == EPERM) && start_of(owner) == process_started;
}

Context* Node::open_context(int device) {
    Locked guard(lock);
    Context* free = nullptr;
    for (Context& context : contexts) {
        if (context.pid.load() == getpid() && context.device == device && context.alive()) return &context;
        if (context.pid.load() != 0 && !context.alive()) retire(*this, context);
        // The one that was freed first, so that what was done last still shows in the utilisation.
        if (context.pid.load() == 0 && (!free || context.retired_at < free->retired_at)) free = &context;
    }
    if (!free) return nullptr;
    free->device = device;
    free->process_started = start_of(getpid());
    free->memory_bytes = 0;
    free->busy_ns = 0;
    free->launches = 0;
    free->work_ns = 0;
    free->launch_host_ns = 0;
    free->open_since = 0;
    free->writing = 0;
    free->written = 0;
    free->retired_at = 0;
    free->pid = getpid();
    return free;
}

void Node::retire_dead() {
    Locked guard(lock);
    for (Context& context : contexts)
        if (context.pid.load() != 0 && !context.alive()) retire(*this, context);
}

void Node::retire_dead_now_and_then() {
    static std::atomic<Nanos> looked{0};
    Nanos before = looked.load();
    const Nanos at = now();
    if (at - before >= LOOK_FOR_DEAD && looked.compare_exchange_strong(before, at)) retire_dead();
}

std::vector<Context*> Node::users(int device) {
    std::vector<Context*> found;
    for (Context& context : contexts)
        if (context.pid.load() != 0 && context.device == device) found.push_back(&context);
    return found;
}

std::uint64_t Node::memory_used(int device) {
    retire_dead_now_and_then();
    std::uint64_t sum = 0;
    for (Context* context : users(device)) sum += context->memory_bytes.load();
    return sum;
}

double Node::utilization(int device, Nanos from, Nanos to) {
    if (to <= from) return 0;
    retire_dead_now_and_then();
    Nanos sum = 0;
    for (Context& context : contexts) {
        const Nanos until = context.pid.load() ? to : std::min(to, context.retired_at.load());
        if (context.device == device && until > from) sum += context.busy_between(from, until);
    }
    return std::min(1.0, static_cast<double>(sum) / static_cast<double>(to - from));
}

Nanos Node::busy_until(int device, Nanos at) {
    retire_dead_now_and_then();
    Locked guard(lock);  // a context that is just being retired would count twice
    Nanos sum = devices[device].retired_busy_ns;
    for (Context* context : users(device)) sum += context->busy_until(at);
    return devices[device].told_busy_ns = std::max(sum, devices[device].told_busy_ns);
}

void Node::ring() {
    doorbell.fetch_add(1);
    syscall(SYS_futex, &doorbell, FUTEX_WAKE, 1 << 20, nullptr, nullptr, 0);
}

void Node::await_ring(std::uint32_t seen) {
    syscall(SYS_futex, &doorbell, FUTEX_WAIT, seen, nullptr, nullptr, 0);
}

Node& node() {
    static Node& mapped = *map_node();
    return mapped;
}

}  // namespace emulator
