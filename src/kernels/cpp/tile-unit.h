// The eight tile registers of AMX with the calls of a product, as instructions (MINKE_AMX) or in software: the same
// source computes the same bits on both.
//
// A register has up to 16 rows of 64 bytes. A holds rows of 16 words, a word is two bf16; B holds 16 words down and 16
// columns across; C holds f32. multiply<C, A, B> adds 32 values of the reduction to every output: two chains from
// zero, e over the lower halves of the words and o over the upper ones, fused, to nearest even; then c = c + (e + o).
// Subnormal numbers are zeros of their sign, given or computed, whatever MXCSR says. What is no number stays none; its
// payload is not defined. Rows and columns do not see each other, so a smaller block has the same bits.
#pragma once
#include "simd.h"

namespace minke::MINKE_ISA {

constexpr i64 kUnitRows = 16;   // of a register
constexpr i64 kUnitSteps = 32;  // of the reduction in a register
constexpr i64 kUnitWords = kUnitSteps / 2;
static_assert(kUnitRows == W && kUnitWords == W);

// Registers of a product of 2 x 2: C is 0 to 3, row after row; A is 4 and 5; B is 6 and 7.
#if defined(MINKE_AMX)

class TileUnit {
 public:
  ~TileUnit() {
    if (top) asm volatile("tilerelease" ::: "memory");  // so that nobody saves 8 KB for an idle thread
  }

  // How many rows the first and the second register of A and the C that belong to them have.
  void shape(i64 first, i64 second) {
    if (first == top && second == bottom) return;
    top = first;
    bottom = second;
    Configuration to = {};
    to.palette = 1;
    for (int i = 0; i < 8; i++) {
      i64 rows = i >= 6 ? kUnitRows : i < 2 || i == 4 ? first : second;
      to.rows[i] = uint8_t(rows);
      to.row_bytes[i] = rows ? 64 : 0;
    }
    // As an operand, so that the compiler knows that all 64 bytes are read: the intrinsic of g++ 12 names 8.
    asm volatile("ldtilecfg %0" ::"m"(to) : "memory");
  }

  template <int T>
  MINKE_INLINE void load_a(const void* from, i64 pitch) {
    load<T>(from, pitch);
  }
  template <int T>
  MINKE_INLINE void load_b(const void* from, i64 pitch) {
    load<T>(from, pitch);
  }
  template <int T>
  MINKE_INLINE void load_c(const float* from, i64 pitch) {
    load<T>(from, pitch);
  }
  template <int T>
  MINKE_INLINE void clear() {
    asm volatile("tilezero %%tmm%c0" ::"i"(T));
  }
  template <int T>
  MINKE_INLINE void store_c(float* to, i64 pitch) const {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(pitch), "i"(T) : "memory");
  }
  template <int C, int A, int B>
  MINKE_INLINE void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
  }

 private:
  struct alignas(64) Configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[8], more_row_bytes[8];
    uint8_t rows[8], more_rows[8];
  };
  static_assert(sizeof(Configuration) == 64);
  i64 top = 0, bottom = 0;

  template <int T>
  MINKE_INLINE void load(const void* from, i64 pitch) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(pitch), "i"(T) : "memory");
  }
};

#else

// The words of A and B as two f32: their lower halves in `even`, their upper ones in `odd`. C is in `even`.
struct TileRegister {
  alignas(64) float even[kUnitRows * W], odd[kUnitRows * W];
};

template <int R>
MINKE_INLINE void multiply_rows(float* c, const float* even, const float* odd, const TileRegister& b) {
  vf e[R] = {}, o[R] = {};
  for (i64 p = 0; p < kUnitWords; p++) {
    vf lower = load(b.even + p * W), upper = load(b.odd + p * W);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
      e[r] = fma(set1(even[r * W + p]), lower, e[r]);
      o[r] = fma(set1(odd[r * W + p]), upper, o[r]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++) store(c + r * W, load(c + r * W) + (e[r] + o[r]));
}

// A function of its own, so that no arithmetic of the caller moves to where subnormals are zeros.
inline __attribute__((noinline)) void multiply_registers(TileRegister& c, const TileRegister& a, const TileRegister& b,
                                                         i64 rows) {
  i64 row = 0;
  for (; row + 8 <= rows; row += 8) multiply_rows<8>(c.even + row * W, a.even + row * W, a.odd + row * W, b);
  for (; row + 3 <= rows; row += 3) multiply_rows<3>(c.even + row * W, a.even + row * W, a.odd + row * W, b);
  for (; row < rows; row++) multiply_rows<1>(c.even + row * W, a.even + row * W, a.odd + row * W, b);
}

class TileUnit {
 public:
  void shape(i64 first, i64 second) {
    top = first;
    bottom = second;
  }

  template <int T>
  MINKE_INLINE void load_a(const void* from, i64 pitch) {
    split(registers[T], from, pitch, T == 4 ? top : bottom);
  }
  template <int T>
  MINKE_INLINE void load_b(const void* from, i64 pitch) {
    split(registers[T], from, pitch, kUnitWords);
  }
  template <int T>
  MINKE_INLINE void load_c(const float* from, i64 pitch) {
    for (i64 r = 0; r < rows_of(T); r++) store(registers[T].even + r * W, load(from + r * (pitch / 4)));
  }
  template <int T>
  MINKE_INLINE void clear() {
    for (i64 r = 0; r < rows_of(T); r++) store(registers[T].even + r * W, vf{});
  }
  template <int T>
  MINKE_INLINE void store_c(float* to, i64 pitch) const {
    for (i64 r = 0; r < rows_of(T); r++) store(to + r * (pitch / 4), load(registers[T].even + r * W));
  }
  template <int C, int A, int B>
  MINKE_INLINE void multiply() {
    constexpr unsigned kZeroSubnormals = 0x8040, kRounding = 0x6000;
    unsigned mode = _mm_getcsr();
    _mm_setcsr((mode | kZeroSubnormals) & ~kRounding);
    multiply_registers(registers[C], registers[A], registers[B], rows_of(C));
    _mm_setcsr(mode);
  }

 private:
  TileRegister registers[8];
  i64 top = 0, bottom = 0;

  i64 rows_of(int c) const { return c < 2 ? top : bottom; }
  static void split(TileRegister& to, const void* from, i64 pitch, i64 rows) {
    for (i64 r = 0; r < rows; r++) {
      vu words = reinterpret_cast<vu>(load(reinterpret_cast<const float*>(static_cast<const char*>(from) + r * pitch)));
      store(to.even + r * W, reinterpret_cast<vf>(words << 16));
      store(to.odd + r * W, reinterpret_cast<vf>(words & 0xffff0000u));
    }
  }
};

#endif

}  // namespace minke::MINKE_ISA
