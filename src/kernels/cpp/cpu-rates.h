// Measures the rates of the three forms of bf16 products, in registers, in a millisecond or two.
//
// Each form runs in 20 independent chains (4 tiles), more than latency times rate of any CPU; assembly, because a
// compiler merges equal chains. Forms take turns, and the fastest turn of each counts: another process can only make
// a turn slower. Where a quotient comes close to the margin of the rule, more rounds are made.
#pragma once
#include <time.h>

#include "cpu.h"

namespace minke {

inline double seconds_now(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

#if defined(__x86_64__)

#define MINKE_CHAINS(instruction)                                                                            \
  instruction "0\n" instruction "1\n" instruction "2\n" instruction "3\n" instruction "4\n" instruction      \
              "5\n" instruction "6\n" instruction "7\n" instruction "8\n" instruction "9\n" instruction      \
              "10\n" instruction "11\n" instruction "12\n" instruction "13\n" instruction "14\n" instruction \
              "15\n" instruction "16\n" instruction "17\n" instruction "18\n" instruction "19\n"

// Zeros in, zeros out: the time does not depend on values.
#define MINKE_CHAIN_LOOP(instruction)                                                                              \
  asm volatile(                                                                                                    \
      "vzeroall\n vpxorq %%zmm30, %%zmm30, %%zmm30\n vpxorq %%zmm31, %%zmm31, %%zmm31\n"                           \
      "vpxorq %%zmm16, %%zmm16, %%zmm16\n vpxorq %%zmm17, %%zmm17, %%zmm17\n"                                      \
      "vpxorq %%zmm18, %%zmm18, %%zmm18\n vpxorq %%zmm19, %%zmm19, %%zmm19\n"                                      \
      "1:\n" MINKE_CHAINS(instruction " %%zmm30, %%zmm31, %%zmm") "dec %0\n jnz 1b\n vzeroupper"                   \
      : "+r"(rounds)                                                                                               \
      :                                                                                                            \
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
        "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm30", "xmm31", "cc")

constexpr long kChainRounds = 500;

__attribute__((target("avx512f"), noinline)) inline void run_steps() {
  long rounds = kChainRounds;
  MINKE_CHAIN_LOOP("vfmadd231ps");
}

__attribute__((target("avx512f,avx512bf16"), noinline)) inline void run_pairs() {
  long rounds = kChainRounds;
  MINKE_CHAIN_LOOP("vdpbf16ps");
}

#if defined(MINKE_KNOWS_AMX)
__attribute__((target("amx-tile,amx-bf16"), noinline)) inline void run_tiles() {
  configure_tiles();
  long rounds = kChainRounds;
  asm volatile(
      "tilezero %%tmm0\n tilezero %%tmm1\n tilezero %%tmm2\n tilezero %%tmm3\n"
      "tilezero %%tmm4\n tilezero %%tmm5\n tilezero %%tmm6\n"
      "1:\n tdpbf16ps %%tmm5, %%tmm4, %%tmm0\n tdpbf16ps %%tmm6, %%tmm4, %%tmm1\n"
      "tdpbf16ps %%tmm4, %%tmm5, %%tmm2\n tdpbf16ps %%tmm4, %%tmm6, %%tmm3\n"
      "dec %0\n jnz 1b\n tilerelease"
      : "+r"(rounds)
      :
      : "cc");
}
#endif

inline void raise_rate(double& rate, void (*run)(), double flops) {
  double begun = seconds_now(CLOCK_MONOTONIC);
  run();
  double now = flops / (seconds_now(CLOCK_MONOTONIC) - begun) * 1e-9;
  if (now > rate) rate = now;
}

// Whether a quotient of two forms lies so close to the margin that a disturbance may have brought it there.
inline bool is_near_margin(double richer, double plainer) { return richer > 0.6 * plainer && richer < 0.9 * plainer; }

inline Bf16Rates measure_bf16() {
  __builtin_cpu_init();
  Bf16Rates rates;
  if (!has_avx512()) return rates;
  constexpr double chains = 20.0 * kChainRounds;
  for (int part = 0; part < 8; part++) {
    for (int turn = 0; turn < 50; turn++) {
      raise_rate(rates.steps, run_steps, chains * 2 * 16);
      if (has_pairs()) raise_rate(rates.pairs, run_pairs, chains * 2 * 32);
#if defined(MINKE_KNOWS_AMX)
      if (turn % 10 == 0 && has_tiles()) raise_rate(rates.tiles, run_tiles, 4.0 * kChainRounds * 2 * 16 * 16 * 32);
#endif
    }
    if (!is_near_margin(rates.pairs, rates.steps)) break;
  }
  return rates;
}

#else

inline Bf16Rates measure_bf16() { return {}; }

#endif

}  // namespace minke
