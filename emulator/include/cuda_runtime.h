// nccl.h asks for the whole runtime header, of which it needs the host's part only.
#pragma once
#include <cuda_runtime_api.h>
