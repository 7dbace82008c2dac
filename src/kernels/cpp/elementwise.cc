// Elementwise kernels. Every element stands alone, so any split into tasks is the same arithmetic.
#include "simd.h"

namespace minke::MINKE_ISA {

constexpr i64 kElementGrain = 32768;  // elements a task: below this a second thread does not pay

struct add_f32 {
  const float *a, *b;
  float* out;
  i64 n;
  static constexpr const char* signature = "a:f32 b:f32 out:f32! n:int";
  void fields(Words& w) { w(a, b, out, n); }
  i64 tasks() const { return blocks(n, kElementGrain); }
  void run(i64 task, Worker&) const {
    i64 end = smaller(n, (task + 1) * kElementGrain);
    for (i64 i = task * kElementGrain; i < end; i += W)
      store_n(out + i, load_n(a + i, end - i) + load_n(b + i, end - i), end - i);
  }
};

// Bytes moved in queue order: how data enters and leaves while other commands are under way.
struct copy_bytes {
  const uint8_t* from;
  uint8_t* to;
  i64 n;
  static constexpr const char* signature = "from:u8 to:u8! n:int";
  static constexpr i64 kGrain = 1 << 20;
  void fields(Words& w) { w(from, to, n); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    __builtin_memcpy(to + task * kGrain, from + task * kGrain, size_t(smaller(kGrain, n - task * kGrain)));
  }
};

constexpr Kernel elementwise_kernels[] = {
    row<add_f32>("add_f32"),
    row<copy_bytes>("copy_bytes"),
};

}  // namespace minke::MINKE_ISA
