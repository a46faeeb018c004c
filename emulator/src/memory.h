// Device memory. Kernels do not run, so what they would write is not there: memory reads as zeros. Only what a
// copy brought is there, until the next kernel on the device, which could have overwritten it; that is what
// PyTorch's own checks need (a few bytes copied in, sent to the other ranks, copied out), and no value that
// nobody computed decides a path.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

// Copies up to this many bytes are made; of longer ones only the time is modelled, so that a model of many
// gigabytes takes no memory of the host.
constexpr std::size_t KEPT_BYTES = 1u << 20;

// Answers a cudaError_t. The device's size, over all processes, is the limit.
int allocate(int visible, std::size_t bytes, void** at);
// False if nothing was allocated there.
bool release(void* at);
// Whether the address lies in device memory; of which visible device, and the allocation's begin and size.
struct Place {
    int device;
    std::uintptr_t begin;
    std::size_t bytes;
};
bool find(const void* at, Place& place);

// Pinned host memory.
int allocate_host(std::size_t bytes, void** at);
void release_host(void* at);
void register_host(void* at, std::size_t bytes);
void unregister_host(void* at);
bool is_pinned(const void* at);

// Copy if it is short; of longer ones the receiver sees zeros.
void move_bytes(void* to, const void* from, std::size_t bytes);
// Let a piece of device memory read as zeros.
void clear_bytes(void* at, std::size_t bytes);
// A kernel runs on the device (the node's index): zero what copies left there.
void forget_contents(int device);

}  // namespace emulator
