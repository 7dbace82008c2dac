// The products of ggml's block formats, compiled apart from isa.cc as those of apart.h are.
#pragma once
#include "kernel.h"

namespace minke::MINKE_ISA::gemm {

extern const Kernel block_kernels[44];

}  // namespace minke::MINKE_ISA::gemm
