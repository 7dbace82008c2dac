// All kernel families, built once for each instruction set: -DMINKE_ISA=name plus one of the macros of simd.h. Those
// of apart.h are compiled on their own.
#include "apart-blocks.h"
#include "apart.h"
#include "copy.cc"
#include "cross-entropy.cc"
#include "dispatch.cc"
#include "divergence.cc"
#include "elementwise.cc"
#include "embedding.cc"
#include "gemm-tile.h"
#include "norm.cc"
#include "optimizer.cc"
#include "policy.cc"
#include "probe.cc"
#include "quantize.cc"
#include "random.cc"
#include "reduction.cc"
#include "rope.cc"
#include "router.cc"
#include "sampling.cc"
#include "swiglu.cc"
// These call families above.
#include "paged-attention.cc"
#include "paged.cc"

namespace minke::MINKE_ISA {

constexpr Family families[] = {
    family(attention_kernels),   family(attention_backward_kernels),
    family(head_page_kernels),   family(copy_kernels),
    family(elementwise_kernels), family(probe_kernels),
    family(quantize_kernels),    family(cross_entropy_kernels),
    family(divergence_kernels),  family(optimizer_kernels),
    family(router_kernels),      family(dispatch_kernels),
    family(gemm::gemm_kernels),  family(gemm::group_kernels),
    family(gemm::block_kernels), family(embedding_kernels),
    family(norm_kernels),        family(random_kernels),
    family(reduction_kernels),   family(rope_kernels),
    family(swiglu_kernels),      family(sampling_kernels),
    family(paged_kernels),       family(paged_attention_kernels),
    family(policy_kernels),
};

}  // namespace minke::MINKE_ISA

namespace minke {

using namespace MINKE_ISA;
const Isa kIsa = {
    MINKE_ISA_NAME,   families, sizeof(families) / sizeof(families[0]), W, 2 * W, gemm::kPairs ? "pairs" : "steps",
    gemm::kArithmetic};

}  // namespace minke
