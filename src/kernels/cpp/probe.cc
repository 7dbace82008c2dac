// Yardsticks: the most that this machine can do, measured with the same compiler, threads and queue as the kernels.
//
// probe_fma_f32 and probe_dot_bf16 are a GEMM micro-kernel without the GEMM: `rounds` times C[12][32] += A B over
// operands that stay in the first-level cache. probe_read sums words at the speed of memory. Each has as many
// tasks as an argument says, so that one pool measures one thread and all. Values are chosen so that every sum is
// exact.
#include "simd.h"

namespace minke::MINKE_ISA {

constexpr i64 kProbeDepth = 128;   // words of the reduction a round
constexpr i64 kProbeRows = 12;     // a round is 128 x 12 x 32 multiply-adds (probe_dot_bf16: twice that)
constexpr i64 kProbeColumns = 32;  // on every instruction set, in tiles of its own size

#if defined(MINKE_AVX512) || defined(MINKE_NEON)
constexpr int kProbeTile = 12;  // rows whose sums fit the registers beside 2 vectors of B and a broadcast of A
#elif defined(MINKE_AVX2) || defined(__wasm_relaxed_simd__)
constexpr int kProbeTile = 6;
#else
constexpr int kProbeTile = 4;
#endif

// sum[r][v] += a word of A and a vector of words of B.
template <class Step>
inline void probe_tile(const float* a, const float* b, i64 rounds, float* least, float* most, Step step) {
  vf sum[kProbeTile][2] = {};
  for (i64 round = 0; round < rounds; round++) {
    for (i64 k = 0; k < kProbeDepth; k++) {
      vf b0 = load(b + k * kProbeColumns), b1 = load(b + k * kProbeColumns + W);
#pragma GCC unroll 12
      for (int r = 0; r < kProbeTile; r++) {
        vf x = set1(a[k * kProbeTile + r]);
        sum[r][0] = step(sum[r][0], x, b0);
        sum[r][1] = step(sum[r][1], x, b1);
      }
    }
  }
  vf low = sum[0][0], high = sum[0][0];
  for (int r = 0; r < kProbeTile; r++)
    for (int v = 0; v < 2; v++) {
      low = vmin(low, sum[r][v]);
      high = vmax(high, sum[r][v]);
    }
  float lane = -reduce_max(-low);
  *least = lane < *least ? lane : *least;
  lane = reduce_max(high);
  *most = lane > *most ? lane : *most;
}

// Along the reduction A alternates in sign and B is 1, 2 in its first row: every sum grows by 1 a round.
template <class Step>
inline void probe_rounds(i64 rounds, float* out, Worker& worker, float plus, float minus, float one, float two,
                         Step step) {
  float* a = reinterpret_cast<float*>(worker.scratch);
  float* b = a + kProbeDepth * kProbeTile;
  for (i64 k = 0; k < kProbeDepth; k++) {
    for (i64 r = 0; r < kProbeTile; r++) a[k * kProbeTile + r] = k % 2 ? minus : plus;
    for (i64 j = 0; j < kProbeColumns; j++) b[k * kProbeColumns + j] = k == 0 ? two : one;
  }
  out[0] = __builtin_inff();
  out[1] = -__builtin_inff();
  for (i64 row = 0; row < kProbeRows; row += kProbeTile)
    for (i64 column = 0; column < kProbeColumns; column += 2 * W) probe_tile(a, b + column, rounds, out, out + 1, step);
}

struct probe_fma_f32 {
  float* out;  // [threads][2]: smallest and largest of the 12 x 32 sums
  i64 rounds, threads;
  static constexpr const char* signature = "out:f32! rounds:int threads:int";
  void fields(Words& w) { w(out, rounds, threads); }
  i64 tasks() const { return threads; }
  void run(i64 task, Worker& worker) const {
    probe_rounds(rounds, out + 2 * task, worker, 1, -1, 1, 2, [](vf sum, vf a, vf b) { return fma(a, b, sum); });
  }
};

struct probe_dot_bf16 {
  float* out;
  i64 rounds, threads;
  static constexpr const char* signature = "out:f32! rounds:int threads:int";
  void fields(Words& w) { w(out, rounds, threads); }
  i64 tasks() const { return threads; }

  // A word is a pair of bf16, low half first. As bits 1 is 0x3f80, 2 is 0x4000, -1 is 0xbf80.
  static float pair(uint32_t low, uint32_t high) {
    uint32_t bits = low | high << 16;
    float word;
    __builtin_memcpy(&word, &bits, 4);
    return word;
  }

  void run(i64 task, Worker& worker) const {
    probe_rounds(rounds, out + 2 * task, worker, pair(0x3f80, 0x3f80), pair(0xbf80, 0xbf80), pair(0x3f80, 0x3f80),
                 pair(0x4000, 0x3f80), [](vf sum, vf a, vf b) {
#if defined(MINKE_BF16)
                   return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
                   vi high = set1i(int32_t(0xffff0000));
                   sum = fma(floats(bits(a) << 16), floats(bits(b) << 16), sum);
                   return fma(floats(bits(a) & high), floats(bits(b) & high), sum);
#endif
                 });
  }
};

// Sum of all words, modulo 2^32, of each thread's share of the data: shares are whole pages but for the last.
struct probe_read {
  const int32_t* data;
  int32_t* sums;  // [threads]
  i64 words, threads;
  static constexpr const char* signature = "data:i32 sums:i32! words:int threads:int";
  static constexpr i64 kPage = 1024;     // words
  static constexpr i64 kAhead = 512;     // words of prefetch: 2 KiB
  static constexpr int kLoads = 64 / W;  // vectors a turn: 256 bytes
  void fields(Words& w) { w(data, sums, words, threads); }
  i64 tasks() const { return threads; }

  void run(i64 task, Worker&) const {
    i64 share = blocks(blocks(words, kPage), threads) * kPage;
    i64 begin = smaller(words, task * share), end = smaller(words, begin + share);
    const float* at = reinterpret_cast<const float*>(data) + begin;
    const float* last = reinterpret_cast<const float*>(data) + end;
    vu sum[kLoads] = {};
    for (; last - at >= kLoads * W; at += kLoads * W) {
#pragma GCC unroll 16
      for (int i = 0; i < kLoads; i++) {
        if (i * W % 16 == 0) __builtin_prefetch(at + kAhead + i * W);
        sum[i] += reinterpret_cast<vu>(load(at + i * W));
      }
    }
    for (; at < last; at += W) sum[0] += reinterpret_cast<vu>(load_n(at, last - at));
    uint32_t total = 0;
    for (int i = 0; i < kLoads; i++)
      for (int lane = 0; lane < W; lane++) total += sum[i][lane];
    sums[task] = int32_t(total);
  }
};

constexpr Kernel probe_kernels[] = {
    row<probe_fma_f32>("probe_fma_f32"),
    row<probe_dot_bf16>("probe_dot_bf16"),
    row<probe_read>("probe_read"),
};

}  // namespace minke::MINKE_ISA
