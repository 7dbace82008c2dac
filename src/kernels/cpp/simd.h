// The SIMD shim: one vector of f32 lanes for every instruction set, on the compilers' own vector types.
//
// Arithmetic (+ - * / comparisons, shifts, select by ?:) is the language's; only what it cannot say is here: fused
// multiply-add, square root, partial loads and stores, bf16, reductions in a fixed tree, exp and log.
// Contract: the compiler contracts nothing to FMA (-ffp-contract=off), so the order written is the order computed;
// lanes beyond n of a partial load are zero, and a partial store touches n elements only.
#pragma once
#include "sizes.h"

#if defined(MINKE_AVX512)
#include <immintrin.h>
#define MINKE_LANES 16
#elif defined(MINKE_AVX2)
#include <immintrin.h>
#define MINKE_LANES 8
#elif defined(MINKE_NEON)
#include <arm_neon.h>
#define MINKE_LANES 4
#elif defined(MINKE_WASM)
#include <wasm_simd128.h>
#define MINKE_LANES 4
#else
#error "choose an instruction set: MINKE_AVX512, MINKE_AVX2, MINKE_NEON or MINKE_WASM"
#endif

// Values in registers must never pass through memory because a compiler found a function too large to inline.
#define MINKE_INLINE inline __attribute__((always_inline))

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __asan_loadN(const void*, size_t);
extern "C" void __asan_storeN(const void*, size_t);
#endif

namespace minke {

// AddressSanitizer does not see masked accesses: they say what they touch, n elements but at most `most`.
template <class T>
MINKE_INLINE const T* will_load([[maybe_unused]] const T* p, [[maybe_unused]] i64 n, [[maybe_unused]] i64 most) {
#if defined(__SANITIZE_ADDRESS__)
  if (n > 0) __asan_loadN(p, size_t(smaller(n, most)) * sizeof(T));
#endif
  return p;
}
template <class T>
MINKE_INLINE T* will_store([[maybe_unused]] T* p, [[maybe_unused]] i64 n, [[maybe_unused]] i64 most) {
#if defined(__SANITIZE_ADDRESS__)
  if (n > 0) __asan_storeN(p, size_t(smaller(n, most)) * sizeof(T));
#endif
  return p;
}

}  // namespace minke

namespace minke::MINKE_ISA {

constexpr int W = MINKE_LANES;
constexpr int kPanel = 2 * W;  // outputs side by side in a register tile
typedef float vf __attribute__((vector_size(4 * W)));
typedef float vf_at __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * W)));
typedef uint32_t vu __attribute__((vector_size(4 * W)));
typedef uint16_t vh __attribute__((vector_size(2 * W)));
typedef uint16_t vh_at __attribute__((vector_size(2 * W), aligned(2), may_alias));

MINKE_INLINE vf load(const float* p) { return *reinterpret_cast<const vf_at*>(p); }
MINKE_INLINE void store(float* p, vf v) { *reinterpret_cast<vf_at*>(p) = v; }
MINKE_INLINE vf set1(float x) { return x - vf{}; }
MINKE_INLINE vi set1i(int32_t x) { return x - vi{}; }
MINKE_INLINE vi bits(vf v) { return reinterpret_cast<vi>(v); }
MINKE_INLINE vf floats(vi v) { return reinterpret_cast<vf>(v); }
MINKE_INLINE vf to_floats(vi v) { return __builtin_convertvector(v, vf); }
MINKE_INLINE vi to_ints(vf v) { return __builtin_convertvector(v, vi); }  // towards zero
MINKE_INLINE vf vabs(vf v) { return floats(bits(v) & 0x7fffffff); }

// a > b ? a : b, and so b where either is NaN
#if defined(MINKE_AVX512)
MINKE_INLINE vf vmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
MINKE_INLINE vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(MINKE_AVX2)
MINKE_INLINE vf vmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
MINKE_INLINE vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
#elif defined(MINKE_WASM)
// Spelled out, because clang makes relaxed_max of `a > b ? a : b`, which is whatever the host likes where one is NaN.
MINKE_INLINE vf vmax(vf a, vf b) { return __builtin_wasm_pmax_f32x4(b, a); }
MINKE_INLINE vf vmin(vf a, vf b) { return __builtin_wasm_pmin_f32x4(b, a); }
#else
MINKE_INLINE vf vmax(vf a, vf b) { return a > b ? a : b; }
MINKE_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }
#endif

#if defined(MINKE_AVX512)
MINKE_INLINE vf fma(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
MINKE_INLINE vf vsqrt(vf v) { return (vf)_mm512_maskz_sqrt_ps(0xffff, (__m512)v); }  // g++ 12 warns of the plain one
MINKE_INLINE __mmask16 first(i64 n) { return __mmask16(n >= W ? 0xffff : n > 0 ? (1u << n) - 1 : 0); }
MINKE_INLINE vf load_n(const float* p, i64 n) { return (vf)_mm512_maskz_loadu_ps(first(n), will_load(p, n, W)); }
MINKE_INLINE void store_n(float* p, vf v, i64 n) { _mm512_mask_storeu_ps(will_store(p, n, W), first(n), (__m512)v); }
#elif defined(MINKE_AVX2)
MINKE_INLINE vf fma(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
MINKE_INLINE vf vsqrt(vf v) { return (vf)_mm256_sqrt_ps((__m256)v); }
MINKE_INLINE __m256i first(i64 n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n > W ? W : n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
// Whole vectors go unmasked: a masked store is slow on Zen 4 even with all lanes set (AdamW 1.5 ns a weight, not 0.6).
MINKE_INLINE vf load_n(const float* p, i64 n) {
  return n >= W ? load(p) : (vf)_mm256_maskload_ps(will_load(p, n, W), first(n));
}
MINKE_INLINE void store_n(float* p, vf v, i64 n) {
  if (n >= W) return store(p, v);
  _mm256_maskstore_ps(will_store(p, n, W), first(n), (__m256)v);
}
#else
#if defined(MINKE_NEON)
MINKE_INLINE vf fma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
MINKE_INLINE vf vsqrt(vf v) { return (vf)vsqrtq_f32((float32x4_t)v); }
#elif defined(__wasm_relaxed_simd__)
MINKE_INLINE vf fma(vf a, vf b, vf c) { return __builtin_wasm_relaxed_madd_f32x4(a, b, c); }
MINKE_INLINE vf vsqrt(vf v) { return (vf)wasm_f32x4_sqrt((v128_t)v); }
#else
MINKE_INLINE vf fma(vf a, vf b, vf c) { return a * b + c; }
MINKE_INLINE vf vsqrt(vf v) { return (vf)wasm_f32x4_sqrt((v128_t)v); }
#endif
MINKE_INLINE vf load_n(const float* p, i64 n) {
  if (n >= W) return load(p);
  vf v = {};
  for (i64 i = 0; i < n; i++) v[i] = p[i];
  return v;
}
MINKE_INLINE void store_n(float* p, vf v, i64 n) {
  if (n >= W) return store(p, v);
  for (i64 i = 0; i < n; i++) p[i] = v[i];
}
#endif

#if defined(MINKE_AVX512)
MINKE_INLINE vu widen(vh h) { return (vu)_mm512_cvtepu16_epi32((__m256i)h); }
MINKE_INLINE vh narrow(vu u) { return (vh)_mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)u); }
#elif defined(MINKE_AVX2)
MINKE_INLINE vu widen(vh h) { return (vu)_mm256_cvtepu16_epi32((__m128i)h); }
MINKE_INLINE vh narrow(vu u) { return __builtin_convertvector(u, vh); }
#else
MINKE_INLINE vu widen(vh h) { return __builtin_convertvector(h, vu); }
MINKE_INLINE vh narrow(vu u) { return __builtin_convertvector(u, vh); }
#endif

// bf16 is the upper half of an f32; storing rounds to nearest even and keeps NaN a NaN.
MINKE_INLINE vf from_bf16(vh h) { return floats(reinterpret_cast<vi>(widen(h) << 16)); }
MINKE_INLINE vh to_bf16(vf v) {
  vu u = reinterpret_cast<vu>(v);
  vu rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  vu quiet = (u >> 16) | 0x40;
  return narrow(v != v ? quiet : rounded);
}
MINKE_INLINE vf load(const bf16* p) { return from_bf16(*reinterpret_cast<const vh_at*>(p)); }
MINKE_INLINE void store(bf16* p, vf v) { *reinterpret_cast<vh_at*>(p) = to_bf16(v); }
#if defined(MINKE_AVX512)
MINKE_INLINE vh load_halves(const bf16* p, i64 n) { return (vh)_mm256_maskz_loadu_epi16(first(n), will_load(p, n, W)); }
MINKE_INLINE void store_halves(bf16* p, vh h, i64 n) {
  _mm256_mask_storeu_epi16(will_store(p, n, W), first(n), (__m256i)h);
}
#else
MINKE_INLINE vh load_halves(const bf16* p, i64 n) {
  if (n >= W) return *reinterpret_cast<const vh_at*>(p);
  vh h = {};
  for (i64 i = 0; i < n; i++) h[i] = p[i];
  return h;
}
MINKE_INLINE void store_halves(bf16* p, vh h, i64 n) {
  if (n >= W)
    *reinterpret_cast<vh_at*>(p) = h;
  else
    for (i64 i = 0; i < n; i++) p[i] = h[i];
}
#endif
MINKE_INLINE vf load_n(const bf16* p, i64 n) { return from_bf16(load_halves(p, n)); }
MINKE_INLINE void store_n(bf16* p, vf v, i64 n) { store_halves(p, to_bf16(v), n); }
MINKE_INLINE float to_float(float x) { return x; }
MINKE_INLINE float to_float(bf16 x) {
  uint32_t u = uint32_t(x) << 16;
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}

template <int... I>
struct LaneList {};
template <int N, int... I>
struct LaneListTo : LaneListTo<N - 1, N - 1, I...> {};
template <int... I>
struct LaneListTo<0, I...> {
  typedef LaneList<I...> type;  // LaneList<0, 1, ... N - 1>
};

// Every lane i of the result is lane i ^ S of v.
template <int S, int... I>
MINKE_INLINE vf partners(vf v, LaneList<I...>) {
  return __builtin_shufflevector(v, v, (I ^ S)...);
}

// Halves folded onto each other until every lane holds the whole: the same tree whatever the data.
template <int S = W / 2, class Fold>
MINKE_INLINE vf fold_lanes(vf v, Fold fold) {
  v = fold(v, partners<S>(v, typename LaneListTo<W>::type()));
  if constexpr (S > 1) v = fold_lanes<S / 2>(v, fold);
  return v;
}

// One exchange of a butterfly: swaps the off-diagonal S x S blocks of rows a and b.
template <int S, int... I>
MINKE_INLINE void exchange(vf& a, vf& b, LaneList<I...>) {
  vf low = __builtin_shufflevector(a, b, ((I & S) ? W + (I ^ S) : I)...);
  b = __builtin_shufflevector(a, b, ((I & S) ? W + I : (I ^ S))...);
  a = low;
}

// Transposes W rows of W lanes in registers.
template <int S = W / 2>
MINKE_INLINE void transpose(vf (&row)[W]) {
#pragma GCC unroll 16
  for (int i = 0; i < W; i++)
    if (!(i & S)) exchange<S>(row[i], row[i + S], typename LaneListTo<W>::type());
  if constexpr (S > 1) transpose<S / 2>(row);
}

MINKE_INLINE float reduce_add(vf v) {
  return fold_lanes(v, [](vf a, vf b) { return a + b; })[0];
}
MINKE_INLINE float reduce_max(vf v) {
  return fold_lanes(v, [](vf a, vf b) { return vmax(a, b); })[0];
}

// exp(x) by 2^n * p(r), |r| <= ln2/2, degree 6; 2 ulp. 0 below -87.3, infinity above 88.7, NaN stays.
MINKE_INLINE vf vexp(vf x) {
  vf clamped = vmin(vmax(x, set1(-87.33654f)), set1(88.72283f));
  vf shifted = fma(clamped, set1(1.44269504f), set1(12582912.0f));
  vf n = shifted - 12582912.0f;
  vf r = fma(n, set1(-0.693359375f), clamped);
  r = fma(n, set1(2.12194440e-4f), r);
  vf p = set1(1.3981999507e-3f);
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = fma(p * r, r, r) + 1.0f;
  vi whole = to_ints(n);
  vi half = whole >> 1;  // two steps, so that 2^128 does not overflow on the way
  vf y = p * floats((half + 127) << 23) * floats((whole - half + 127) << 23);
  y = x < -87.33654f ? vf{} : y;
  y = x > 88.72283f ? set1(__builtin_inff()) : y;
  return x != x ? x : y;
}

// log(x) for normal numbers above 0.
MINKE_INLINE vf log_of_normal(vf x) {
  vi u = bits(x);
  vi e = ((u - 0x3f3504f3) >> 23);  // so that the mantissa lies in [sqrt(1/2), sqrt(2))
  vf m = floats(u - (e << 23)) - 1.0f;
  vf n = to_floats(e);
  vf p = set1(7.0376836292e-2f);
  p = fma(p, m, set1(-1.1514610310e-1f));
  p = fma(p, m, set1(1.1676998740e-1f));
  p = fma(p, m, set1(-1.2420140846e-1f));
  p = fma(p, m, set1(1.4249322787e-1f));
  p = fma(p, m, set1(-1.6668057665e-1f));
  p = fma(p, m, set1(2.0000714765e-1f));
  p = fma(p, m, set1(-2.4999993993e-1f));
  p = fma(p, m, set1(3.3333331174e-1f));
  vf square = m * m;
  vf y = fma(p * m, square, n * -2.12194440e-4f);
  y = fma(square, set1(-0.5f), y);
  return fma(n, set1(0.693359375f), m + y);
}

// log(x); 2 ulp. Minus infinity of 0, NaN of negative numbers; infinity and NaN stay.
MINKE_INLINE vf vlog(vf x) {
  vi tiny = x < 1.17549435e-38f;  // subnormals are scaled by 2^24
  vf y = log_of_normal(tiny ? x * 16777216.0f : x) - (tiny ? set1(16.6355323f) : vf{});
  y = x == 0.0f ? set1(-__builtin_inff()) : y;
  y = x < 0.0f ? set1(__builtin_nanf("")) : y;
  return x < __builtin_inff() ? y : x;
}

MINKE_INLINE vf sigmoid(vf x) { return 1.0f / (1.0f + vexp(-x)); }

}  // namespace minke::MINKE_ISA
