// Embedding: out[t, :] = table[ids[t], :], and its gradient. An id outside [0, vocab) is a fault before anything is
// touched through it.
#include "rows.h"

namespace minke::MINKE_ISA {

struct embedding {
  const int32_t* ids;
  const void* table;
  void* out;
  i64 tokens, vocab, cols, table_type, out_type;
  static constexpr const char* signature =
      "ids:i32 table:any out:any! tokens:int vocab:int cols:int table_type:int out_type:int";
  void fields(Words& w) { w(ids, table, out, tokens, vocab, cols, table_type, out_type); }
  i64 tasks() const { return row_tasks(tokens, cols); }
  void run(i64 task, Worker& worker) const {
    in_formats(table_type, out_type, [&](auto table_tag, auto out_tag) {
      for_rows(task, tokens, cols, [&](i64 t) {
        i64 id = ids[t];
        if (id < 0 || id >= vocab) return worker.fail(kIndexOutOfRange, t, id, vocab);
        auto from = as(table_tag, table, id * cols);
        auto to = as(out_tag, out, t * cols);
        for_vectors(0, cols, [&](i64 c, i64 n) { put(to + c, at(from + c, n), n); });
      });
    });
  }
};

// dtable[ids[t], :] += dout[t, :], tokens in ascending order: a task owns kColumns columns of the whole table.
struct embedding_backward {
  const int32_t* ids;
  const void* dout;
  float* dtable;
  i64 tokens, vocab, cols, dout_type, accumulate;
  static constexpr i64 kColumns = 128;
  static constexpr const char* signature =
      "ids:i32 dout:any dtable:f32! tokens:int vocab:int cols:int dout_type:int accumulate:int";
  void fields(Words& w) { w(ids, dout, dtable, tokens, vocab, cols, dout_type, accumulate); }
  i64 tasks() const { return blocks(cols, kColumns); }
  void run(i64 task, Worker& worker) const {
    i64 begin = task * kColumns, end = smaller(cols, begin + kColumns);
    if (!accumulate)
      for (i64 v = 0; v < vocab; v++) __builtin_memset(dtable + v * cols + begin, 0, size_t(end - begin) * 4);
    in_format(dout_type, [&](auto type) {
      for (i64 t = 0; t < tokens; t++) {
        i64 id = ids[t];
        if (id < 0 || id >= vocab) return worker.fail(kIndexOutOfRange, t, id, vocab);
        auto from = as(type, dout, t * cols);
        float* to = dtable + id * cols;
        for_vectors(begin, end, [&](i64 c, i64 n) { put(to + c, at(to + c, n) + at(from + c, n), n); });
      }
    });
  }
};

constexpr Kernel embedding_kernels[] = {
    row<embedding>("embedding"),
    row<embedding_backward>("embedding_backward"),
};

}  // namespace minke::MINKE_ISA
