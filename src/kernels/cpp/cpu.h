// The instruction sets of native builds that this machine runs.
#pragma once

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace minke {

// Whether this process may use AMX: the CPU has tiles and their bf16 product, the operating system saves tiles (XCR0,
// bits 17 and 18), and it permits them to this process, which asks here, once for all its threads. Hypervisors and
// sandboxes may lack any of the three.
inline bool may_use_amx() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24, kSaving = 1u << 27, kTileState = 3u << 17;
  constexpr long kRequestState = 0x1023, kTileData = 18;  // arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kSaving)) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (kBf16 | kTiles)) != (kBf16 | kTiles)) return false;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTileState) == kTileState && syscall(SYS_arch_prctl, kRequestState, kTileData) == 0;
#else
  return false;
#endif
}

// Calls back with each name, best first.
template <class Call>
void for_cpu_isas(Call call) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("fma");
  bool pairs = avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi") &&
               __builtin_cpu_supports("avx512vnni");
  if (pairs && may_use_amx()) call("amx");
  if (pairs) call("avx512bf16");
  if (avx512) call("avx512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) call("avx2");
  if (avx512) call("tiles");  // the bits of amx in software: slow, so never the best
#elif defined(__aarch64__)
  call("neon");
#endif
}

}  // namespace minke
