// Normal numbers from Philox4x32-10, with the bits of src/math/random.ts: the same on every machine, in any order.
//
// Block c of the stream gives elements 4c to 4c + 3 by Box-Muller, in double precision and in the order of operations
// that random.ts writes. Blocks go side by side, as many as a vector has lanes of doubles.
#include "rows.h"

namespace minke::MINKE_ISA {

constexpr int kBlocks = W / 2;
constexpr i64 kNormalsATask = 16384;
constexpr uint64_t kNormalStream = 2;

typedef double vd __attribute__((vector_size(8 * kBlocks)));
typedef int64_t vl __attribute__((vector_size(8 * kBlocks)));
typedef uint64_t vw __attribute__((vector_size(8 * kBlocks)));  // words of 32 bits, in the low half

struct PhiloxWords {
  vw word[4];
};

// Blocks first to first + kBlocks - 1 of the stream.
inline PhiloxWords philox(i64 first, i64 seed) {
  constexpr uint64_t low = 0xffffffff;
  vw counter, w, x, y = {}, z = {};
  for (int b = 0; b < kBlocks; b++) counter[b] = uint64_t(first + b);
  w = counter & low;
  x = counter >> 32;
  z += kNormalStream;
  uint64_t key0 = uint64_t(seed) & low, key1 = uint64_t(seed >> 32) & low;
  for (int round = 0; round < 10; round++) {
    vw far = y * 0xcd9e8d57, near = w * 0xd2511f53;
    w = (far >> 32) ^ x ^ key0;
    x = far & low;
    y = (near >> 32) ^ z ^ key1;
    z = near & low;
    key0 = (key0 + 0x9e3779b9) & low;
    key1 = (key1 + 0xbb67ae85) & low;
  }
  return {{w, x, y, z}};
}

inline vd uniform_of(vw word) { return __builtin_convertvector(reinterpret_cast<vl>(word >> 8), vd) / 16777216.0; }

// The logarithm of x in (0, 1]: x = m 2^e with m from sqrt(1/2) on, log m by the series of atanh.
inline vd log_of_uniform(vd x) {
  vl u = reinterpret_cast<vl>(x);
  vl e = (u >> 52) - 1022;
  vd m = reinterpret_cast<vd>((u & 0x000fffffffffffff) | 0x3fe0000000000000);
  vl is_low = m < 0.70710678118654752440;
  m = is_low ? m * 2.0 : m;
  e = e + is_low;  // true is -1
  vd z = (m - 1.0) / (m + 1.0), square = z * z, sum = {};
  for (int k = 21; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
  return 2.0 * z * sum + __builtin_convertvector(e, vd) * 0.693147180559945309417;
}

// sin(2 pi turn) for a turn in [0, 1)
inline vd sine_of(vd turn) {
  vd quarters = turn * 4.0;
  vl quadrant = __builtin_convertvector(quarters, vl);
  vd part = quarters - __builtin_convertvector(quadrant, vd);
  vl is_odd = (quadrant & 1) != 0, is_late = quadrant >= 2;
  vd angle = (is_odd ? 1.0 - part : part) * (3.14159265358979323846 / 2);
  vd square = angle * angle, term = angle, sum = angle;
  for (int k = 2; k <= 20; k += 2) {
    term *= -square / double(k * (k + 1));
    sum += term;
  }
  return is_late ? -sum : sum;
}

struct fill_normal_f32 {
  float* out;
  i64 n, seed;
  double deviation;
  static constexpr const char* signature = "out:f32! n:int seed:int deviation:double";
  void fields(Words& w) { w(out, n, seed, deviation); }
  i64 tasks() const { return blocks(n, kNormalsATask); }
  void run(i64 task, Worker&) const {
    for (i64 from = task * kNormalsATask; from < smaller(n, (task + 1) * kNormalsATask); from += 4 * kBlocks) {
      PhiloxWords random = philox(from / 4, seed);
      float normal[4 * kBlocks];
      for (int pair = 0; pair < 4; pair += 2) {
        vd square = -2.0 * log_of_uniform(1.0 - uniform_of(random.word[pair])), radius;
        for (int b = 0; b < kBlocks; b++) radius[b] = __builtin_sqrt(square[b]);
        radius = deviation * radius;
        vd turn = uniform_of(random.word[pair + 1]), ahead = turn + 0.25;
        vd even = radius * sine_of(ahead >= 1.0 ? ahead - 1.0 : ahead), odd = radius * sine_of(turn);
        for (int b = 0; b < kBlocks; b++) {
          normal[4 * b + pair] = float(even[b]);
          normal[4 * b + pair + 1] = float(odd[b]);
        }
      }
      __builtin_memcpy(out + from, normal, size_t(smaller(4 * kBlocks, n - from)) * sizeof(float));
    }
  }
};

constexpr Kernel random_kernels[] = {
    row<fill_normal_f32>("fill_normal_f32"),
};

}  // namespace minke::MINKE_ISA
