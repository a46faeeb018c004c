// The run-time compiler: accepts every program, since no kernel is executed. The time that a real one would take to
// compile is not modelled.
#include <nvrtc.h>

#include <cstring>
#include <map>
#include <string>

namespace {

constexpr char CODE[] = "emulated";

struct Program {
    std::map<std::string, std::string> names;
};

Program& of(nvrtcProgram program) { return *reinterpret_cast<Program*>(program); }

}  // namespace

extern "C" {

const char* nvrtcGetErrorString(nvrtcResult result) { return result == NVRTC_SUCCESS ? "NVRTC_SUCCESS" : "NVRTC_ERROR"; }
nvrtcResult nvrtcVersion(int* major, int* minor) {
    *major = EMULATED_CUDA_MAJOR;
    *minor = 0;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCreateProgram(nvrtcProgram* out, const char*, const char*, int, const char* const*, const char* const*) {
    *out = reinterpret_cast<nvrtcProgram>(new Program);
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
    delete &of(*program);
    *program = nullptr;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCompileProgram(nvrtcProgram, int, const char* const*) { return NVRTC_SUCCESS; }
nvrtcResult nvrtcGetPTXSize(nvrtcProgram, size_t* bytes) {
    *bytes = sizeof CODE;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetPTX(nvrtcProgram, char* code) {
    std::memcpy(code, CODE, sizeof CODE);
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* bytes) { return nvrtcGetPTXSize(program, bytes); }
nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* code) { return nvrtcGetPTX(program, code); }
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram, size_t* bytes) {
    *bytes = 1;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetProgramLog(nvrtcProgram, char* log) {
    *log = 0;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcAddNameExpression(nvrtcProgram program, const char* name) {
    of(program).names[name] = name;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetLoweredName(nvrtcProgram program, const char* name, const char** lowered) {
    *lowered = (of(program).names[name] = name).c_str();
    return NVRTC_SUCCESS;
}

}  // extern "C"
