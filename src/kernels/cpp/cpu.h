// The instruction sets of native builds that this machine runs.
#pragma once

namespace minke {

// Calls back with each name, best first.
template <class Call>
void for_cpu_isas(Call call) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("fma");
  if (avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512vnni"))
    call("avx512bf16");
  if (avx512) call("avx512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) call("avx2");
#elif defined(__aarch64__)
  call("neon");
#endif
}

}  // namespace minke
