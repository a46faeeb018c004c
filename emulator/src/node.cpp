#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "own_file.h"
#include "process.h"

namespace emulator {
namespace {

constexpr std::uint64_t MAGIC = 0x656d75'0002;
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

bool Context::alive() const { return Process{pid.load(), process_started}.alive(); }

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
    const Process self = this_process();
    free->device = device;
    free->process_started = self.started;
    free->memory_bytes = 0;
    free->busy_ns = 0;
    free->launches = 0;
    free->work_ns = 0;
    free->launch_host_ns = 0;
    free->open_since = 0;
    free->writing = 0;
    free->written = 0;
    free->retired_at = 0;
    free->pid = self.pid;
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
