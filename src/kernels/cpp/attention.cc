// Attention forward: o = softmax(scale * q k^T, masked) v, one pass over the keys, no score matrix in memory.
//
// A task is a block of rows (attention.h) of one sequence and key/value head; it folds the key tiles from position 0
// with the online softmax of FlashAttention (Dao et al. 2022, algorithm 1). A row's result depends on its
// position and its keys alone: rows are independent, tiles are aligned to absolute positions, keys that a row does not
// see never enter its chains. Left out: splitting the keys of one row over threads (it would change the order).
#include "attention.h"

namespace minke::MINKE_ISA {

constexpr i64 kTaskRows = 128;   // rows of a task: repacking a key tile then costs 2 % of using it
constexpr i64 kFewestTasks = 4;  // smaller row blocks rather than idle threads

// The state of a block of rows between key tiles.
struct AttentionRows {
  float* q;    // [rows, q_width]
  float* o;    // [rows, o_width], not yet divided by sum
  float* max;  // [rows] largest score so far
  float* sum;  // [rows] of e^(score - max)
  i64* visible;
  i64 q_width, o_width;
};

struct KeyTile {
  float* k;        // transposed panels
  const float* v;  // [64, v_row]
  i64 v_row, start, width, value_width;
};

// Folds one key tile into R rows. `p` holds [R, 64] scores, then probabilities.
template <class F, int R>
inline void fold_tile(const AttentionRows& rows, i64 r0, const KeyTile& tile, float scale, float* p) {
  i64 least = smaller(kKeys, larger(0, rows.visible[r0] - tile.start));
  i64 most = smaller(kKeys, rows.visible[r0 + R - 1] - tile.start);
  if (most <= 0) return;
  vf scales = set1(scale);
  for_panels<R>(most, [&]<int P>(i64 j) {
    vf acc[R][2 * P] = {};
    fold<F, R, P>(rows.q + r0 * rows.q_width, rows.q_width, 1, tile.k + j * tile.width, kPanel, kPanel * tile.width,
                  tile.width, acc);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int c = 0; c < 2 * P; c++) store(p + r * kKeys + j + c * W, acc[r][c] * scales);
  });

  constexpr int kLanes = R > W ? R : W;
  float highest[kLanes] = {}, rescale[kLanes];
  const vi lanes = lane_index();
  const vf never = set1(-__builtin_inff());
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
    int sees = int(smaller(kKeys, rows.visible[r0 + r] - tile.start));
    vf top = set1(rows.max[r0 + r]);
    for (int j = 0; j < kKeys; j += W) top = vmax(lanes + j < sees ? load(p + r * kKeys + j) : never, top);
    highest[r] = fold_lanes(top, [](vf a, vf b) { return vmax(a, b); })[0];
  }
  for (int r = 0; r < R; r += W) {
    vf before = load_n(rows.max + r0 + r, R - r);
    store(rescale + r, exp_below(before - load(highest + r)));
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
    int sees = int(smaller(kKeys, rows.visible[r0 + r] - tile.start));
    vf top = set1(highest[r]), sum = {};
    for (int j = 0; j < kKeys; j += W) {
      vf x = exp_below(load(p + r * kKeys + j) - top);
      x = lanes + j < sees ? x : vf{};
      store(p + r * kKeys + j, x);
      sum = sum + x;
    }
    sum = fold_lanes(sum, [](vf a, vf b) { return a + b; });
    rows.max[r0 + r] = highest[r];
    rows.sum[r0 + r] = rows.sum[r0 + r] * rescale[r] + sum[0];
  }

  if constexpr (F::kEach == 2) F::pair_weights(p, R);
  for_panels<R>(tile.value_width, [&]<int P>(i64 c) {
    float* o = rows.o + r0 * rows.o_width + c;
    vf acc[R][2 * P];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int i = 0; i < 2 * P; i++) acc[r][i] = load(o + r * rows.o_width + i * W) * set1(rescale[r]);
    fold<F, R, P>(p, kKeys, 1, tile.v + c, tile.v_row, kPanel, least / F::kEach, acc);
    for (i64 j = least / F::kEach; j < blocks(most, F::kEach); j++) {  // keys that not all rows of the block see
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        i64 left = rows.visible[r0 + r] - tile.start - j * F::kEach;
        if (left <= 0) continue;
        vf x = broadcast(p + r * kKeys + j);
#pragma GCC unroll 4
        for (int i = 0; i < 2 * P; i++) {
          vf y = load(tile.v + j * tile.v_row + c + i * W);
          if (left < F::kEach) y = floats(bits(y) & 0xffff);
          acc[r][i] = F::fold(x, y, acc[r][i]);
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int i = 0; i < 2 * P; i++) store(o + r * rows.o_width + i * W, acc[r][i]);
  });
}

template <class F>
struct attention : AttentionBatch {
  using E = typename F::Element;
  const E *q, *k, *v;
  E* o;
  float* lse;
  i64 q_row, q_head, k_row, k_head, v_row, v_head, o_row, o_head;
  float scale;

  void fields(Words& w) {
    w(q, k, v, query_start, key_start, first_position, o, lse, B, max_queries, T, S, Hq, Hkv, Dk, Dv, q_row, q_head,
      k_row, k_head, v_row, v_head, o_row, o_head, causal, scale);
  }

  i64 task_rows() const {
    i64 rows = max_queries * group();
    i64 split = blocks(kFewestTasks, larger(1, B * Hkv));
    return smaller(kTaskRows, blocks(blocks(larger(1, rows), split), kTall) * kTall);
  }
  i64 tasks() const { return B * Hkv * blocks(max_queries * group(), task_rows()); }

  // Later blocks see more keys: they come first.
  void run(i64 task, Worker& worker) const {
    i64 most = task_rows(), pairs = B * Hkv;
    i64 block = blocks(max_queries * group(), most) - 1 - task / pairs;
    i64 b = task % pairs / Hkv, h = task % Hkv;
    Sequence s;
    if (!sequence(b, worker, s)) return;
    i64 r0 = block * most, n = smaller(most, s.queries * group() - r0);
    if (n <= 0) return;

    Scratch scratch(worker);
    AttentionRows rows;
    rows.q_width = packed_width(blocks(Dk, F::kEach));
    rows.o_width = packed_width(Dv);
    float* values = scratch.floats(kKeys * rows.o_width);
    KeyTile tile = {scratch.floats(kKeys * Dk), values, rows.o_width, 0, blocks(Dk, F::kEach), Dv};
    rows.q = scratch.floats(n * rows.q_width);
    rows.o = scratch.floats(n * rows.o_width);
    rows.max = scratch.floats(n);
    rows.sum = scratch.floats(n);
    rows.visible = reinterpret_cast<i64*>(scratch.floats(2 * n));
    float* p = scratch.floats(kTall * kKeys);
    for (i64 r = 0; r < n; r++) {
      i64 i = (r0 + r) / group(), head = h * group() + (r0 + r) % group();
      pack_row<F>(q + (s.query + i) * q_row + head * q_head, Dk, rows.q + r * rows.q_width);
      rows.max[r] = -__builtin_inff();
      rows.sum[r] = 0;
      rows.visible[r] = visible(s, r0 + r);
    }
    __builtin_memset(rows.o, 0, size_t(n * rows.o_width) * 4);

    i64 last = rows.visible[n - 1];
    for (tile.start = 0; tile.start < last; tile.start += kKeys) {
      i64 keys = smaller(kKeys, last - tile.start), key = s.key + tile.start;
      pack_transposed<F>(k + key * k_row + h * k_head, k_row, keys, Dk, tile.k);
      pack_values(v + key * v_row + h * v_head, keys, n, values, tile);
      for_row_tiles(n, [&]<int R>(i64 r) { fold_tile<F, R>(rows, r, tile, scale, p); });
    }
    finish(s, h, r0, n, rows);
  }

  // Few rows read f32 values of whole panels where they are: copying would cost as much as using them.
  void pack_values(const E* from, i64 keys, i64 rows, float* to, KeyTile& tile) const {
    if constexpr (F::kEach == 2) {
      for (i64 j = 0; j < keys; j += 2, from += 2 * v_row)
        F::pack_row_pair(from, j + 1 < keys ? from + v_row : nullptr, Dv, to + j / 2 * tile.v_row);
      prefetch_rows(from + (kKeys - blocks(keys, 2) * 2) * v_row, v_row, Dv);
    } else if (sizeof(E) == 4 && rows <= kTall && Dv % kPanel == 0) {
      tile.v = reinterpret_cast<const float*>(from);
      tile.v_row = v_row;
      prefetch_rows(from + kKeys * v_row, v_row, Dv);
    } else {
      for (i64 j = 0; j < keys; j++) pack_row<F>(from + j * v_row, Dv, to + j * tile.v_row, kKeys * v_row);
    }
  }

  // No key at all gives o = 0 and lse = -infinity.
  void finish(const Sequence& s, i64 h, i64 r0, i64 n, const AttentionRows& rows) const {
    for (i64 r = 0; r < n; r++) {
      i64 i = (r0 + r) / group(), head = h * group() + (r0 + r) % group();
      float sum = rows.sum[r];
      E* to = o + (s.query + i) * o_row + head * o_head;
      for (i64 c = 0; c < Dv; c += W) {
        vf x = load(rows.o + r * rows.o_width + c);
        store_n(to + c, sum == 0 ? vf{} : x / set1(sum), Dv - c);
      }
      if (!lse) continue;
      float log_sum = vlog(set1(sum))[0];
      lse[(s.query + i) * Hq + head] = sum == 0 ? -__builtin_inff() : rows.max[r] + log_sum;
    }
  }
};

struct attention_f32 : attention<Singles<float>> {
  static constexpr const char* signature =
      "q:f32 k:f32 v:f32 query_start:i32 key_start:i32 first_position:i32 o:f32! lse:f32! B:int max_queries:int T:int "
      "S:int Hq:int Hkv:int Dk:int Dv:int q_row:int q_head:int k_row:int k_head:int v_row:int v_head:int o_row:int "
      "o_head:int causal:int scale:float";
};

// Where there are dot products of bf16 pairs: chains over pairs of the width, weights rounded to bf16, chains over
// pairs of keys. Elsewhere everything is decoded to f32.
struct attention_bf16 : attention<Bf16Words> {
  static constexpr const char* signature =
      "q:bf16 k:bf16 v:bf16 query_start:i32 key_start:i32 first_position:i32 o:bf16! lse:f32! B:int max_queries:int "
      "T:int S:int Hq:int Hkv:int Dk:int Dv:int q_row:int q_head:int k_row:int k_head:int v_row:int v_head:int "
      "o_row:int o_head:int causal:int scale:float";
};

constexpr Kernel attention_kernels[] = {
    row<attention_f32>("attention_f32"),
    row<attention_bf16>("attention_bf16"),
};

}  // namespace minke::MINKE_ISA
