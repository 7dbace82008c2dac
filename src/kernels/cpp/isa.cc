// All kernel families, built once for each instruction set: -DMINKE_ISA=name plus one of the macros of simd.h.
#include "elementwise.cc"

namespace minke::MINKE_ISA {

constexpr Family families[] = {
    family(elementwise_kernels),
};

extern const Isa isa;
const Isa isa = {MINKE_ISA_NAME, families, sizeof(families) / sizeof(families[0]), W, 2 * W};

}  // namespace minke::MINKE_ISA
