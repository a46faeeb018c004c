// Which devices there are for this process, and their streams.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include "errors.h"
#include "faults.h"
#include "identity.h"
#include "timeline.h"

namespace emulator {
namespace {

thread_local int current_device = 0;

// The device that a word of CUDA_VISIBLE_DEVICES means, -1 for none: an index, of which only the leading digits
// count, or the beginning of a UUID that no other device's begins with.
int meant(const std::string& word, int present) {
    if (word.compare(0, 4, "GPU-") == 0) {
        int found = -1;
        for (int each = 0; each < present; ++each)
            if (uuid_text(each).compare(0, word.size(), word) == 0) {
                if (found >= 0) return -1;
                found = each;
            }
        return found;
    }
    char* end = nullptr;
    const long number = std::strtol(word.c_str(), &end, 10);
    return end != word.c_str() && number >= 0 && number < present ? static_cast<int>(number) : -1;
}

// CUDA_VISIBLE_DEVICES: devices separated by commas; an unknown one ends the list (CUDA programming guide, "CUDA
// Environment Variables"), a repeated one empties it (torch.cuda reads it so, as the driver does).
std::vector<int> read_visible() {
    const int present = std::min(profile().devices, MAX_DEVICES);
    std::vector<int> found;
    const char* given = std::getenv("CUDA_VISIBLE_DEVICES");
    if (!given) {
        for (int index = 0; index < present; ++index) found.push_back(index);
        return found;
    }
    std::istringstream words(given);
    for (std::string word; std::getline(words, word, ',');) {
        const int index = meant(word, present);
        if (index < 0) break;
        if (std::find(found.begin(), found.end(), index) != found.end()) return {};
        found.push_back(index);
    }
    return found;
}

const std::vector<int>& visible() {
    static const auto& found = *new std::vector<int>(read_visible());  // never destroyed, as the devices
    return found;
}

Stream* add_stream(Device& device, bool waits_for_default, int priority) {
    auto stream = std::make_unique<Stream>();
    stream->device = &device;
    stream->id = device.next_stream++;
    // Those that were destroyed and have run dry.
    auto& streams = device.streams;
    streams.erase(std::remove_if(streams.begin(), streams.end(),
                                 [&](const auto& each) {
                                     return each->destroyed && !each->capture && (each->pending.empty() || device.error.load()) &&
                                            each->tail <= now();
                                 }),
                  streams.end());
    stream->waits_for_default = waits_for_default;
    stream->priority = priority;
    device.streams.push_back(std::move(stream));
    return device.streams.back().get();
}

std::vector<std::unique_ptr<Device>>& devices() {
    static auto& made = *[] {
        check_faults();
        auto* all = new std::vector<std::unique_ptr<Device>>;  // outlives the threads that still use it at exit
        for (const int index : visible()) {
            auto device = std::make_unique<Device>();
            device->index = index;
            device->legacy = add_stream(*device, false, 0);
            all->push_back(std::move(device));
        }
        return all;
    }();
    return made;
}

}  // namespace

int visible_devices() { return static_cast<int>(visible().size()); }
int physical(int index) { return visible()[static_cast<std::size_t>(index)]; }

Device* device(int index) {
    if (index < 0 || index >= visible_devices()) return nullptr;
    Device& found = *devices()[static_cast<std::size_t>(index)];
    std::call_once(found.opened, [&] {
        found.context = node().open_context(found.index);
        if (!found.context) {
            std::fprintf(stderr, "emulator: the node has no room for another process\n");
            std::_Exit(1);
        }
        found.used.store(true);
    });
    if (node().devices[found.index].lost.load() && !found.error.load()) fail(found, DEVICE_LOST);
    return &found;
}

bool used(int index) { return devices()[static_cast<std::size_t>(index)]->used.load(); }

int current_index() { return current_device; }
void set_current(int index) { current_device = index; }
Device& current() { return *device(current_device); }

Stream* stream_of(void* handle) {
    const auto number = reinterpret_cast<std::uintptr_t>(handle);
    if (number == 2) {  // cudaStreamPerThread
        thread_local Stream* own[MAX_DEVICES] = {};
        Stream*& stream = own[current_device];
        if (!stream) stream = create_stream(true, 0);
        return stream;
    }
    return number <= 1 ? current().legacy : static_cast<Stream*>(handle);
}

Stream* create_stream(bool waits_for_default, int priority) {
    return create_stream(current(), waits_for_default, priority);
}

Stream* create_stream(Device& device, bool waits_for_default, int priority) {
    const std::lock_guard<std::mutex> guard(device.lock);
    return add_stream(device, waits_for_default, priority);
}

void destroy_stream(Stream* stream) {
    const std::lock_guard<std::mutex> guard(stream->device->lock);
    if (stream != stream->device->legacy) stream->destroyed = true;
}

}  // namespace emulator
