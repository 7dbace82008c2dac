// The kernels that are compiled apart from isa.cc, which lists them: they take the compiler longest.
#pragma once
#include "kernel.h"

namespace minke::MINKE_ISA {

extern const Kernel attention_kernels[2];
extern const Kernel attention_backward_kernels[2];
extern const Kernel head_page_kernels[4];

namespace gemm {
extern const Kernel gemm_kernels[25];
extern const Kernel group_kernels[10];
}  // namespace gemm

}  // namespace minke::MINKE_ISA
