// Attention backward: dq, dk, dv from q, k, v, o, lse and the gradient of o; probabilities are recomputed by tiles.
//
// FlashAttention's backward (Dao et al. 2022, algorithm 4): with p = e^(score - lse), dp = dout v^T and
// delta = rowsum(dout * o), ds = p (dp - delta) scale; dv = p^T dout, dk = ds^T q, dq = ds k. dk and dv are chains over
// the rows of a key/value head in order of position, then head; dq is a chain over keys. Where there are enough
// sequences and key/value heads, a task walks a whole one and every score is computed once; else key tiles and row
// blocks are tasks of two phases and scores are computed twice. Both ways run the same chains.
#include "apart.h"
#include "attention.h"

namespace minke::MINKE_ISA {

constexpr i64 kBlockRows = 64;
constexpr i64 kWholeWalks = 4;    // (sequence, head) pairs from which one walk each keeps the threads busy
constexpr i64 kDeltaTokens = 32;  // tokens of a task of the first phase

// Operands of products are words of F along the reduction: of the width, of the rows (`pairs` of rows), or of the keys.
// Where a word is one number, q, dout, p and ds serve both.
template <class F>
struct GradientTiles {
  static constexpr i64 kEach = F::kEach;
  float *kt, *vt;               // transposed panels, words along the width
  float* k;                     // [64 / each, k_width], words along the keys
  float *dk, *dv;               // [64, k_width], [64, v_width]
  float *q, *dout;              // [64, q_words], [64, dout_words], words along the width
  float *q_pairs, *dout_pairs;  // [64 / each, k_width], [64 / each, v_width], words along the rows
  float *p, *ds;                // [64 rows, 64 keys]; ds then holds words along the keys
  float *p_pairs, *ds_pairs;    // [64 / each, 64 keys], words along the rows
  float *lse, *delta;           // [64]
  float** dq;                   // [64] where a row's gradient stands
  i64 *hides, *sees;            // [64] a row sees keys hides to sees of this tile; either may lie outside it
  i64 k_width, v_width;         // row lengths of f32 and of words along rows or keys
  i64 key_words, value_words;   // words of a width
  i64 q_words, dout_words;      // row lengths of words along the width
  i64 Dk, Dv, keys, rows;
  float scale;

  GradientTiles(Worker& worker, i64 key_width, i64 value_width, float factor)
      : k_width(packed_width(key_width)),
        v_width(packed_width(value_width)),
        key_words(blocks(key_width, kEach)),
        value_words(blocks(value_width, kEach)),
        q_words(packed_width(key_words)),
        dout_words(packed_width(value_words)),
        Dk(key_width),
        Dv(value_width),
        scale(factor) {
    Scratch scratch(worker);
    kt = scratch.floats(kKeys * key_words);
    vt = scratch.floats(kKeys * value_words);
    k = scratch.floats(kKeys / kEach * k_width);
    dk = scratch.floats(kKeys * k_width);
    dv = scratch.floats(kKeys * v_width);
    q = scratch.floats(kBlockRows * q_words);
    dout = scratch.floats(kBlockRows * dout_words);
    p = scratch.floats(kBlockRows * kKeys);
    ds = scratch.floats(kBlockRows * kKeys);
    q_pairs = kEach == 1 ? q : scratch.floats(kBlockRows / kEach * k_width);
    dout_pairs = kEach == 1 ? dout : scratch.floats(kBlockRows / kEach * v_width);
    p_pairs = kEach == 1 ? p : scratch.floats(kBlockRows / kEach * kKeys);
    ds_pairs = kEach == 1 ? ds : scratch.floats(kBlockRows / kEach * kKeys);
    lse = scratch.floats(kBlockRows);
    delta = scratch.floats(kBlockRows);
    dq = reinterpret_cast<float**>(scratch.floats(2 * kBlockRows));
    hides = reinterpret_cast<i64*>(scratch.floats(2 * kBlockRows));
    sees = reinterpret_cast<i64*>(scratch.floats(2 * kBlockRows));
  }

  // p and ds of R rows, all keys of the tile; exact zeros where a row does not see a key.
  template <int R>
  void scores(i64 r0) const {
    const vi lanes = lane_index();
    for (i64 j = 0; j < keys; j += kPanel) {
      vf s[R][2] = {}, d[R][2] = {};
      if (j < sees[r0 + R - 1] && j + kPanel > hides[r0]) {
        fold<F, R, 1>(q + r0 * q_words, q_words, 1, kt + j * key_words, kPanel, 0, key_words, s);
        fold<F, R, 1>(dout + r0 * dout_words, dout_words, 1, vt + j * value_words, kPanel, 0, value_words, d);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; r++)
#pragma GCC unroll 8
        for (int c = 0; c < 2; c++) {
          i64 row = r0 + r, at = row * kKeys + j + c * W;
          vi key = lanes + int(j) + c * W, seen = (key < int(sees[row])) & (key >= int(hides[row]));
          vf x = exp_below(s[r][c] * set1(scale) - set1(lse[row]));
          vf slope = x * (d[r][c] - set1(delta[row])) * set1(scale);
          store(p + at, seen ? F::round(x) : vf{});
          store(ds + at, seen ? F::round(slope) : vf{});
        }
    }
  }

  // p and ds as words.
  void pair_scores() const {
    if constexpr (kEach == 2) {
      F::pair_rows(p, p_pairs, rows);
      F::pair_rows(ds, ds_pairs, rows);
      F::pair_columns(ds, ds, rows);
    }
  }

  // sum[key] += weights[row][key] * from[row], rows ascending.
  void add_to_keys(const float* weights, const float* from, i64 columns, i64 width, float* sum) const {
    for (i64 c = 0; c < columns; c += kPanel)
      for_row_tiles(keys, [&]<int R>(i64 key) {
        float* to = sum + key * width + c;
        vf acc[R][2];
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 8
          for (int i = 0; i < 2; i++) acc[r][i] = load(to + r * width + i * W);
        fold<F, R, 1>(weights + key, 1, kKeys, from + c, width, 0, blocks(rows, kEach), acc);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 8
          for (int i = 0; i < 2; i++) store(to + r * width + i * W, acc[r][i]);
      });
  }

  // dq[row] += ds[row][key] * k[key], keys ascending; the first tile starts from zero.
  void add_to_rows(bool first) const {
    for (i64 c = 0; c < Dk; c += kPanel)
      for_row_tiles(rows, [&]<int R>(i64 row) {
        vf acc[R][2] = {};
        if (!first)
#pragma GCC unroll 8
          for (int r = 0; r < R; r++)
#pragma GCC unroll 8
            for (int i = 0; i < 2; i++)
              if (c + i * W < Dk) acc[r][i] = load_n(dq[row + r] + c + i * W, Dk - c - i * W);
        fold<F, R, 1>(ds + row * kKeys, kKeys, 1, k + c, k_width, 0, blocks(keys, kEach), acc);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 8
          for (int i = 0; i < 2; i++)
            if (c + i * W < Dk) store_n(dq[row + r] + c + i * W, acc[r][i], Dk - c - i * W);
      });
  }
};

template <class F>
struct attention_backward : AttentionBatch {
  using E = typename F::Element;
  const E *q, *k, *v, *o, *dout;
  const float* lse;
  float *delta, *dq_sum;  // dq_sum: dq itself in f32, [T, Hq, Dk] for bf16
  E *dq, *dk, *dv;
  i64 q_row, q_head, k_row, k_head, v_row, v_head, o_row, o_head, dq_row, dq_head, dk_row, dk_head, dv_row, dv_head;
  float scale;
  static constexpr int phases = 3;

  void fields(Words& w) {
    w(q, k, v, query_start, key_start, first_position, o, lse, dout, delta);
    if constexpr (sizeof(E) == 2) w(dq_sum);
    w(dq, dk, dv, B, max_queries, T, S, Hq, Hkv, Dk, Dv, q_row, q_head, k_row, k_head, v_row, v_head, o_row, o_head,
      dq_row, dq_head, dk_row, dk_head, dv_row, dv_head, causal, window, scale);
  }

  float* sum_of(i64 token, i64 head) const {
    if constexpr (sizeof(E) == 4)
      return dq + token * dq_row + head * dq_head;
    else
      return dq_sum + (token * Hq + head) * Dk;
  }

  bool whole() const { return B * Hkv >= kWholeWalks; }

  i64 tasks(int phase) const {
    if (phase == 0) return blocks(T, kDeltaTokens);
    if (phase == 1) return whole() ? B * Hkv : B * Hkv * blocks(S, kKeys);
    return whole() ? 0 : B * Hkv * blocks(max_queries * group(), kBlockRows);
  }

  void run(int phase, i64 task, Worker& worker) const {
    if (phase == 0) return row_sums(task);
    i64 pairs = B * Hkv, b = task % pairs / Hkv, h = task % Hkv, piece = task / pairs;
    Sequence s;
    if (!sequence(b, worker, s)) return;
    GradientTiles<F> tiles(worker, Dk, Dv, scale);
    if (phase == 2) {
      i64 first = (blocks(max_queries * group(), kBlockRows) - 1 - piece) * kBlockRows;  // heavy blocks first
      if (first < s.queries * group()) walk_keys(s, h, first, tiles);
    } else if (!whole()) {
      if (piece * kKeys < s.keys) walk_rows(s, h, piece * kKeys, false, tiles);
    } else {
      if (s.keys == 0) clear_rows(s, h);
      for (i64 key = 0; key < s.keys; key += kKeys) walk_rows(s, h, key, true, tiles);
      round_rows(s, h, 0, s.queries * group());
    }
  }

  // delta = rowsum(dout * o), which is also rowsum(p * dp): in the order of dp's chain, so that a query which sees one
  // key has a score gradient of exactly zero. W heads side by side.
  void row_sums(i64 task) const {
    i64 end = smaller(T, (task + 1) * kDeltaTokens);
    for (i64 t = task * kDeltaTokens; t < end; t++)
      for (i64 head = 0; head < Hq; head += W) {
        i64 n = smaller(W, Hq - head);
        const E *a = dout + t * o_row + head * o_head, *b = o + t * o_row + head * o_head;
        vf sum = {};
        for (i64 c = 0, words = blocks(Dv, F::kEach); c < words; c += W) {
          vf x[W], y[W];
#pragma GCC unroll 16
          for (int i = 0; i < W; i++) {
            x[i] = i < n ? F::load_words_n(a + i * o_head, c, Dv) : vf{};
            y[i] = i < n ? F::load_words_n(b + i * o_head, c, Dv) : vf{};
          }
          transpose(x);
          transpose(y);
          for (i64 i = 0; i < smaller(W, words - c); i++) sum = F::fold(x[i], y[i], sum);
        }
        store_n(delta + t * Hq + head, sum, n);
      }
  }

  void load_keys(const Sequence& s, i64 h, i64 key, GradientTiles<F>& t) const {
    t.keys = smaller(kKeys, s.keys - key);
    const E* from = k + (s.key + key) * k_row + h * k_head;
    pack_transposed<F>(from, k_row, t.keys, Dk, t.kt);
    pack_transposed<F>(v + (s.key + key) * v_row + h * v_head, v_row, t.keys, Dv, t.vt);
    pack_along_rows<F>([&](i64 j) { return from + j * k_row; }, t.keys, Dk, t.k, t.k_width);
  }

  void load_rows(const Sequence& s, i64 h, i64 first, GradientTiles<F>& t) const {
    t.rows = smaller(kBlockRows, s.queries * group() - first);
    for (i64 r = 0; r < t.rows; r++) {
      i64 token = s.query + (first + r) / group(), head = h * group() + (first + r) % group();
      pack_row<F>(q + token * q_row + head * q_head, Dk, t.q + r * t.q_words);
      pack_row<F>(dout + token * o_row + head * o_head, Dv, t.dout + r * t.dout_words);
      t.lse[r] = lse[token * Hq + head];
      t.delta[r] = delta[token * Hq + head];
      t.dq[r] = sum_of(token, head);
    }
  }

  // q and dout as words along the rows, for dk and dv.
  void pair_rows(const Sequence& s, i64 h, i64 first, GradientTiles<F>& t) const {
    if constexpr (F::kEach == 1) return;
    auto place = [&](const E* from, i64 row, i64 head) {
      return [=, this](i64 r) {
        return from + (s.query + (first + r) / group()) * row + (h * group() + (first + r) % group()) * head;
      };
    };
    pack_along_rows<F>(place(q, q_row, q_head), t.rows, Dk, t.q_pairs, t.k_width);
    pack_along_rows<F>(place(dout, o_row, o_head), t.rows, Dv, t.dout_pairs, t.v_width);
  }

  void scores(const Sequence& s, i64 first, i64 key, GradientTiles<F>& t) const {
    for (i64 r = 0; r < t.rows; r++) {
      t.hides[r] = hidden(s, first + r) - key;
      t.sees[r] = visible(s, first + r) - key;
    }
    for_row_tiles(t.rows, [&]<int R>(i64 r) { t.template scores<R>(r); });
    t.pair_scores();
  }

  // Position of the first key tile that a block of rows sees.
  i64 first_tile(const Sequence& s, i64 first) const { return hidden(s, first) / kKeys * kKeys; }

  // One key tile over all rows that see it: its dk and dv, and the tile's part of dq.
  void walk_rows(const Sequence& s, i64 h, i64 key, bool with_dq, GradientTiles<F>& t) const {
    load_keys(s, h, key, t);
    __builtin_memset(t.dk, 0, size_t(kKeys * t.k_width) * 4);
    __builtin_memset(t.dv, 0, size_t(kKeys * t.v_width) * 4);
    i64 seeing = causal ? larger(0, key - s.first) * group() : 0;
    for (i64 first = seeing / kBlockRows * kBlockRows; first < s.queries * group(); first += kBlockRows) {
      if (first_tile(s, first) > key) break;
      load_rows(s, h, first, t);
      scores(s, first, key, t);
      pair_rows(s, h, first, t);
      t.add_to_keys(t.p_pairs, t.dout_pairs, Dv, t.v_width, t.dv);
      t.add_to_keys(t.ds_pairs, t.q_pairs, Dk, t.k_width, t.dk);
      if (with_dq) t.add_to_rows(key == first_tile(s, first));
    }
    for (i64 j = 0; j < t.keys; j++) {
      E* dk_at = dk + (s.key + key + j) * dk_row + h * dk_head;
      E* dv_at = dv + (s.key + key + j) * dv_row + h * dv_head;
      for (i64 c = 0; c < Dk; c += W) store_n(dk_at + c, load(t.dk + j * t.k_width + c), Dk - c);
      for (i64 c = 0; c < Dv; c += W) store_n(dv_at + c, load(t.dv + j * t.v_width + c), Dv - c);
    }
  }

  // One block of rows over all keys that it sees: its dq.
  void walk_keys(const Sequence& s, i64 h, i64 first, GradientTiles<F>& t) const {
    load_rows(s, h, first, t);
    i64 last = visible(s, first + t.rows - 1);
    if (last == 0) {
      t.keys = 0;
      t.add_to_rows(true);
    }
    for (i64 start = first_tile(s, first), key = start; key < last; key += kKeys) {
      load_keys(s, h, key, t);
      scores(s, first, key, t);
      t.add_to_rows(key == start);
    }
    round_rows(s, h, first, t.rows);
  }

  // dq in its format, once its sum is complete.
  void round_rows(const Sequence& s, i64 h, i64 first, i64 rows) const {
    if constexpr (sizeof(E) == 2)
      for (i64 r = first; r < first + rows; r++) {
        i64 token = s.query + r / group(), head = h * group() + r % group();
        const float* from = sum_of(token, head);
        E* to = dq + token * dq_row + head * dq_head;
        for (i64 d = 0; d < Dk; d += W) store_n(to + d, load_n(from + d, Dk - d), Dk - d);
      }
  }

  void clear_rows(const Sequence& s, i64 h) const {
    for (i64 i = 0; i < s.queries; i++)
      for (i64 g = 0; g < group(); g++)
        for (i64 d = 0; d < Dk; d++) sum_of(s.query + i, h * group() + g)[d] = 0;
  }
};

struct attention_backward_f32 : attention_backward<Singles<float>> {
  static constexpr const char* signature =
      "q:f32 k:f32 v:f32 query_start:i32 key_start:i32 first_position:i32 o:f32 lse:f32 dout:f32 delta:f32! dq:f32! "
      "dk:f32! dv:f32! B:int max_queries:int T:int S:int Hq:int Hkv:int Dk:int Dv:int q_row:int q_head:int k_row:int "
      "k_head:int v_row:int v_head:int o_row:int o_head:int dq_row:int dq_head:int dk_row:int dk_head:int dv_row:int "
      "dv_head:int causal:int window:int scale:float";
};

struct attention_backward_bf16 : attention_backward<Bf16Words> {
  static constexpr const char* signature =
      "q:bf16 k:bf16 v:bf16 query_start:i32 key_start:i32 first_position:i32 o:bf16 lse:f32 dout:bf16 delta:f32! "
      "dq_sum:f32! dq:bf16! dk:bf16! dv:bf16! B:int max_queries:int T:int S:int Hq:int Hkv:int Dk:int Dv:int q_row:int "
      "q_head:int k_row:int k_head:int v_row:int v_head:int o_row:int o_head:int dq_row:int dq_head:int dk_row:int "
      "dk_head:int dv_row:int dv_head:int causal:int window:int scale:float";
};

constexpr Kernel attention_backward_kernels[] = {
    row<attention_backward_f32>("attention_backward_f32"),
    row<attention_backward_bf16>("attention_backward_bf16"),
};

}  // namespace minke::MINKE_ISA
