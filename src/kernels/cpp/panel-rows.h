// Rows of weights in panels as numbers: out[t, :] = table[ids[t], :], where the table lies in panels as products read
// it. An id outside [0, vocab) is a fault before anything is touched through it.
#pragma once
#include "group-dot.h"
#include "vectors.h"

namespace minke::MINKE_ISA::gemm {

template <class Weights>
struct EmbeddingPanel {
  const int32_t* ids;
  const char* panels;
  void* out;
  i64 tokens, vocab, cols, out_type;
  static constexpr i64 kTaskTokens = 8;
  static constexpr const char* signature = "ids:i32 panels:u8 out:any! tokens:int vocab:int cols:int out_type:int";
  void fields(Words& w) { w(ids, panels, out, tokens, vocab, cols, out_type); }
  i64 tasks() const { return blocks(tokens, kTaskTokens); }
  void run(i64 task, Worker& worker) const {
    in_format(out_type, [&](auto format) {
      for (i64 t = task * kTaskTokens; t < smaller(tokens, (task + 1) * kTaskTokens); t++) {
        i64 id = ids[t];
        if (id < 0 || id >= vocab) return worker.fail(kIndexOutOfRange, t, id, vocab);
        const char* panel = panels + id / kPanel * Weights::panel_bytes(cols);
        decltype(format)* to = static_cast<decltype(format)*>(out) + t * cols;
        for (i64 group = 0; group < cols / kGroupSize; group++, to += kGroupSize) {
          alignas(64) float values[kGroupSize];
          Weights::read_group(panel, group, id % kPanel, values);
          for (i64 i = 0; i < kGroupSize; i += W) store(to + i, load(values + i));
        }
      }
    });
  }
};

}  // namespace minke::MINKE_ISA::gemm
