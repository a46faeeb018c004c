// What tells the devices of a node apart: made up from the index, alike in CUDA and NVML.
#pragma once
#include <cstdio>
#include <string>

namespace emulator {

// The bytes "emulated" and the index: no real device's UUID, and anyone who reads it sees what it is.
inline void uuid_bytes(int index, unsigned char (&bytes)[16]) {
    const unsigned char fixed[16] = {'e', 'm', 'u', 'l', 'a', 't', 'e', 'd', 0, 0, 0, 0, 0, 0, 0,
                                     static_cast<unsigned char>(index)};
    for (int i = 0; i < 16; ++i) bytes[i] = fixed[i];
}

inline std::string uuid_text(int index) {
    unsigned char b[16];
    uuid_bytes(index, b);
    char text[64];
    std::snprintf(text, sizeof text, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                  b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return text;
}

inline int pci_bus(int index) { return index + 1; }

}  // namespace emulator
