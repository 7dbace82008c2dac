// Which instruction sets of native builds this machine runs, and which of them is best.
//
// CPUID names what the CPU has; AMX needs more: an operating system that saves tile registers, its permission for this
// process, and one tile product that comes out right (emulators and hypervisors get some of this wrong). How bf16 is
// multiplied decides bits, so the choice between its forms is made from measured rates (cpu-rates.h) by one rule: a
// richer form is taken unless it is clearly slower than a plainer one. On Sapphire Rapids vdpbf16ps has half the rate
// of f32 FMA, on Zen 4 twice; measured values lie far from the margin.
#pragma once
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#define MINKE_KNOWS_AMX
#endif
#if defined(__linux__) && defined(MINKE_KNOWS_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace minke {

// GFLOP/s of bf16 products in registers on one thread, by form. 0: this machine does not have the form.
struct Bf16Rates {
  double tiles = 0;  // tdpbf16ps
  double pairs = 0;  // vdpbf16ps
  double steps = 0;  // f32 FMA on widened operands
};

#if defined(__x86_64__)
inline bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
}
inline bool has_pairs() {
  return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512vnni");
}
inline bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

#if defined(MINKE_KNOWS_AMX)
inline bool has_tile_flags() {
  unsigned a, b, c, d;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kAmxBf16) && (d & kAmxTile);
}

// Whether the system saves tile registers when it switches threads.
inline bool saves_tiles() {
  unsigned a, b, c, d;
  constexpr unsigned kOsXsave = 1u << 27, kTileState = 3u << 17;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kOsXsave)) return false;
  asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (a & kTileState) == kTileState;
}

// Asks Linux for the use of tile registers, by all threads of this process.
inline bool may_use_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// Seven tiles of 16 rows of 64 bytes.
inline void configure_tiles() {
  alignas(64) static unsigned char config[64] = {1};
  for (int t = 0; t < 7; t++) config[16 + 2 * t] = 64, config[48 + t] = 16;
  asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
}

// One product of small whole numbers, whose sums are exact in any order. bf16 of x is the upper half of the float.
__attribute__((target("amx-tile,amx-bf16"))) inline bool multiplies_tiles() {
  static unsigned short a[16][32], b[16][32];
  static float c[16][16];
  auto value = [](int row, int step) { return float((3 * row + 5 * step) % 7 - 3); };
  auto upper = [](float x) {
    unsigned u;
    memcpy(&u, &x, 4);
    return (unsigned short)(u >> 16);
  };
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < 32; k++) {
      a[i][k] = upper(value(i, k));
      b[k / 2][2 * i + k % 2] = upper(value(i + 2, k));
    }
  configure_tiles();
  asm volatile(
      "tilezero %%tmm0\n"
      "tileloadd (%0,%3,1), %%tmm4\n"
      "tileloadd (%1,%3,1), %%tmm5\n"
      "tdpbf16ps %%tmm5, %%tmm4, %%tmm0\n"
      "tilestored %%tmm0, (%2,%3,1)\n"
      "tilerelease" ::"r"(a),
      "r"(b), "r"(c), "r"(64l)
      : "memory");
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) {
      float sum = 0;
      for (int k = 0; k < 32; k++) sum += value(i, k) * value(j + 2, k);
      if (c[i][j] != sum) return false;
    }
  return true;
}
#endif

// Why a CPU with AMX is used without it, in words; null where it is used or where there is none.
inline const char* tile_problem() {
#if defined(MINKE_KNOWS_AMX)
  if (!has_tile_flags()) return nullptr;
  if (!has_pairs()) return "it is shown without the AVX-512 that every CPU with AMX has";
  if (!saves_tiles()) return "the operating system does not save tile registers";
  if (!may_use_tiles()) return "the operating system refuses this process the use of tile registers";
  return multiplies_tiles() ? nullptr : "a product of two tiles came out wrong";
#else
  return nullptr;
#endif
}

// Found out once: the first call gets the permission for the whole process.
inline bool has_tiles() {
#if defined(MINKE_KNOWS_AMX)
  static const bool found = has_tile_flags() && tile_problem() == nullptr;
  return found;
#else
  return false;
#endif
}

// Writes what decides the choice: `GenuineIntel 6-143-8 Intel(R) Xeon(R) Platinum 8481C, amx avx512bf16 avx512 avx2`.
inline void describe_cpu(char* text, size_t size) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  unsigned a = 0, b, c, d, words[13] = {};
  __get_cpuid(0, &a, &words[0], &words[2], &words[1]);
  char maker[13] = {};
  memcpy(maker, words, 12);
  memset(words, 0, sizeof words);
  for (unsigned leaf = 0; leaf < 3; leaf++)
    __get_cpuid(0x80000002 + leaf, &words[4 * leaf], &words[4 * leaf + 1], &words[4 * leaf + 2], &words[4 * leaf + 3]);
  __get_cpuid(1, &a, &b, &c, &d);
  const char* name = reinterpret_cast<const char*>(words);
  while (*name == ' ') name++;
  unsigned family = (a >> 8 & 15) + (a >> 20 & 255), model = (a >> 4 & 15) | (a >> 12 & 240);
  snprintf(text, size, "%s %u-%u-%u %s,%s%s%s%s", maker, family, model, a & 15, name, has_tiles() ? " amx" : "",
           has_pairs() ? " avx512bf16" : "", has_avx512() ? " avx512" : "", has_avx2() ? " avx2" : "");
#elif defined(__aarch64__)
  snprintf(text, size, "arm64, neon");
#endif
}

// Calls back with the name of each instruction set that this machine runs, best first. "tiles" is last: software for
// the bits of AMX, which is never chosen by itself.
template <class Call>
void for_cpu_isas([[maybe_unused]] const Bf16Rates& rates, Call call) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  constexpr double kMargin = 0.75;  // measured quotients are 0.5 or less, or 1 or more
  bool pairs = rates.pairs > 0, tiles = rates.tiles > 0;
  bool pairs_lead = pairs && rates.pairs >= kMargin * rates.steps;
  bool tiles_lead = tiles && rates.tiles >= kMargin * rates.steps && rates.tiles >= kMargin * rates.pairs;
  if (tiles_lead) call("amx");
  if (pairs_lead) call("avx512bf16");
  if (rates.steps > 0) call("avx512");
  if (pairs && !pairs_lead) call("avx512bf16");
  if (tiles && !tiles_lead) call("amx");
  if (has_avx2()) call("avx2");
  if (rates.steps > 0) call("tiles");
#elif defined(__aarch64__)
  call("neon");
#endif
}

}  // namespace minke
