// From logits to tokens: greedy, or a draw from softmax(logits / T) cut by top-k, then top-p, then min-p; and the most
// likely tokens of a row. reference/sampling.ts says what is computed, sampling.h how rows are cut into pieces.
//
// Left out: sorting. Cuts are thresholds found by radix among the candidates; candidates stay in ascending id order.
#include "sampling.h"

namespace minke::MINKE_ISA {

constexpr i64 kDrawBlock = 256;     // candidates whose weights are added first when a draw is located
constexpr float kLogTiny = -88.0f;  // exp of less is 0

struct Settings {
  float temperature, top_p, min_p, draw;
  i64 top_k;  // 0: all
  Settings(const float* s, i64 V) {
    temperature = s[0] < 1e30f ? s[0] : 1e30f;
    top_k = s[1] >= 1.0f && s[1] < float(V) ? i64(s[1]) : 0;
    top_p = s[2] > 0 ? s[2] : 0;
    min_p = s[3] < 1.0f ? s[3] : 1.0f;
    draw = s[4];
  }
  bool is_greedy() const { return !(temperature > 0); }
  bool cuts_mass() const { return top_p < 1.0f; }
  float inverse() const {
    float most = 3.0e38f, inverse = 1.0f / temperature;
    return inverse < most ? inverse : most;
  }
};

struct sample_tokens {
  const float* logits;
  const float* settings;
  const int32_t *starts, *edited_ids;
  const float *factors, *offsets;
  const int32_t* banned;
  const int32_t *mask_rows, *masks;
  float* workspace;
  int32_t* tokens;
  float* logprobs;
  i64 R, V, M, N, K;
  static constexpr int phases = kSteps;
  static constexpr const char* signature =
      "logits:f32 settings:f32 starts:i32 ids:i32 factors:f32 offsets:f32 banned:i32 maskRows:i32 masks:i32 "
      "workspace:f32! tokens:i32! logprobs:f32! R:int V:int M:int N:int K:int";
  void fields(Words& w) {
    w(logits, settings, starts, edited_ids, factors, offsets, banned, mask_rows, masks, workspace, tokens, logprobs);
    w(R, V, M, N, K);
  }
  i64 tasks(int phase) const { return tasks_of_step(*this, phase); }
  void run(int phase, i64 task, Worker& worker) const { run_step(*this, phase, task, worker); }

  bool step(int s, Row row, i64 p, Worker& worker) const {
    if (s == 0) return check(row.r, p, worker) && scan_piece(row, p, worker);
    if (is_edited(row.r)) row.x = row.edited;
    Settings settings(this->settings + row.r * 5, V);
    if (s == 1) return sum(row, p, settings, worker);
    if (s == 2 && !settings.is_greedy()) *row.floor = floor_of(row, settings, bins_of(worker));
    if (s == 3 && !settings.is_greedy()) weigh(row, p, settings);
    if (s == 4) finish(row, settings, worker);
    return true;
  }

  bool is_edited(i64 r) const { return starts[r] < starts[r + 1] || N > 0 || is_masked(r); }
  bool is_masked(i64 r) const { return K > 0 && mask_rows[r] >= 0; }

  bool check(i64 r, i64 p, Worker& worker) const {
    i64 from = starts[r], to = starts[r + 1];
    if (from < 0 || to < from || to > M) {
      worker.fail(kBadOffsets, r + 1, to, M);
      return false;
    }
    for (i64 i = from; i < to && p == 0; i++)
      if (edited_ids[i] < 0 || edited_ids[i] >= V) {
        worker.fail(kIndexOutOfRange, i, edited_ids[i], V);
        return false;
      }
    for (i64 i = 0; i < N && r + p == 0; i++)
      if (banned[i] < 0 || banned[i] >= V) {
        worker.fail(kIndexOutOfRange, i, banned[i], V);
        return false;
      }
    if (K > 0 && mask_rows[r] >= K) {
      worker.fail(kIndexOutOfRange, r, mask_rows[r], K);
      return false;
    }
    for (i64 i = r * 5; i < r * 5 + 5; i++)
      if (settings[i] != settings[i]) {
        worker.fail(kNotFinite, r, 0, 0);
        return false;
      }
    return true;
  }

  bool scan_piece(const Row& row, i64 p, Worker& worker) const {
    Piece& piece = row.pieces[p];
    i64 begin = p * kPiece, size = row.size(p);
    float* maxima = row.maxima + p * kPieceMaxima;
    bool good = scan(row.raw + begin, size, maxima, piece.raw_top, piece.best);
    piece.top = piece.raw_top;
    if (good && is_edited(row.r)) {
      __builtin_memcpy(row.edited + begin, row.raw + begin, size_t(4 * size));
      for (i64 i = starts[row.r]; i < starts[row.r + 1]; i++) {
        i64 id = edited_ids[i];
        if (id < begin || id >= begin + size) continue;
        float x = row.edited[id];
        row.edited[id] = (x > 0 ? x / factors[i] : x * factors[i]) + offsets[i];
      }
      for (i64 i = 0; i < N; i++)
        if (banned[i] >= begin && banned[i] < begin + size) row.edited[banned[i]] = -__builtin_inff();
      if (is_masked(row.r)) mask(row.edited, masks + mask_rows[row.r] * ((V + 31) / 32), begin, begin + size);
      good = scan(row.edited + begin, size, maxima, piece.top, piece.best);
    }
    piece.best += int32_t(begin);
    if (!good) worker.fail(kNotFinite, row.r, 0, 0);
    return good;
  }

  // Forbids the ids from `begin`, a multiple of 32, to `end` whose bit is 0.
  static void mask(float* x, const int32_t* words, i64 begin, i64 end) {
    for (i64 first = begin; first < end; first += 32) {
      uint32_t word = uint32_t(words[first / 32]);
      if (word == ~uint32_t(0)) continue;
      i64 n = smaller(32, end - first);
      for (i64 i = 0; i < n; i++)
        if (!(word >> i & 1)) x[first + i] = -__builtin_inff();
    }
  }

  bool sum(const Row& row, i64 p, const Settings& settings, Worker& worker) const {
    float raw_top = row.raw_top();
    if (raw_top - raw_top != 0) {
      worker.fail(kNotFinite, row.r, 0, 0);
      return false;
    }
    sum_piece(row, p, raw_top);
    if (settings.is_greedy() || settings.top_k || !settings.cuts_mass()) return true;
    const float* x = row.x + p * kPiece;
    float top = row.best().top, inverse = settings.inverse();
    row.pieces[p].sum =
        sum_over(row.size(p), [&](i64 i, i64 n) { return keep_n(weight_of(load_n(x + i, n), top, inverse), n, vf{}); });
    return true;
  }

  // Logits below have no weight, or are not among the k largest, or none among those that make up top_p: all weights
  // below (1 - top_p) * sum / V together are less than what top_p leaves out. Half of it allows for rounding.
  float floor_of(const Row& row, const Settings& settings, Histogram& bins) const {
    float top = row.best().top, reach = kLogTiny;
    if (settings.min_p > 0 && (!settings.cuts_mass() || !settings.top_k))
      reach = larger_of(reach, scalar_log(larger_of(settings.min_p, 1e-37f)) - 0.7f);
    if (settings.cuts_mass() && !settings.top_k)
      reach = larger_of(reach, scalar_log((1.0f - settings.top_p) * row.sum() / float(V)) - 0.7f);
    float size = top < 0 ? -top : top;
    float floor = top - top == 0 ? top + reach * settings.temperature - size * 2.4e-7f : top;
    if (!settings.top_k) return floor;
    return larger_of(floor, floor_of_largest(row, settings.top_k, bins));
  }
  static float larger_of(float a, float b) { return a > b ? a : b; }

  void weigh(const Row& row, i64 p, const Settings& settings) const {
    gather(row, p);
    float top = row.best().top, inverse = settings.inverse();
    float* weights = row.weights + p * kPiece;
    for_vectors(0, row.pieces[p].candidates,
                [&](i64 i, i64 n) { store_n(weights + i, weight_of(load_n(weights + i, n), top, inverse), n); });
  }

  void finish(const Row& row, const Settings& settings, Worker& worker) const {
    int32_t token = settings.is_greedy() ? row.best().best : draw(row, settings, bins_of(worker));
    tokens[row.r] = token;
    logprobs[row.r] = (row.raw[token] - row.raw_top()) - row.log_sum();
  }

  int32_t draw(const Row& row, const Settings& settings, Histogram& bins) const {
    i64 count = join(row);
    auto key = [&](i64 i) { return key_of(row.x[row.ids[i]]); };
    if (settings.top_k && settings.top_k < count) {
      double k = double(settings.top_k);
      Threshold least = threshold_of(count, k, bins, key, [](i64) { return 1.0; });
      count = cut(row, count, k, least, false);
    }
    if (settings.cuts_mass()) {
      auto weight = [&](i64 i, i64 n) { return load_n(row.weights + i, n); };
      float whole = settings.top_k ? sum_over(count, weight) : row.sum();
      double mass = double(settings.top_p) * double(whole);
      Threshold least = threshold_of(count, mass, bins, key, [&](i64 i) { return double(row.weights[i]); });
      count = cut(row, count, mass, least, true);
    }
    if (settings.min_p > 0) {
      i64 left = 0;
      for (i64 i = 0; i < count; i++) left = keep(row, i, left, row.weights[i] >= settings.min_p);
      count = left;
    }
    return row.ids[locate(row.weights, count, settings.draw)];
  }

  static i64 keep(const Row& row, i64 i, i64 to, bool stays) {
    row.weights[to] = row.weights[i];
    row.ids[to] = row.ids[i];
    return to + stays;
  }

  // Keeps what lies above a threshold and, in ascending order, as many equals as it takes to reach the target.
  i64 cut(const Row& row, i64 count, double target, Threshold least, bool by_weight) const {
    if (!least.reached) return count;
    i64 left = 0;
    double total = least.above;
    bool is_first = true;
    for (i64 i = 0; i < count; i++) {
      uint32_t key = key_of(row.x[row.ids[i]]);
      bool stays = key > least.key;
      if (key == least.key && (is_first || total < target)) {
        total += by_weight ? double(row.weights[i]) : 1.0;
        is_first = false;
        stays = true;
      }
      left = keep(row, i, left, stays);
    }
    return left;
  }

  // The first position whose weights up to it exceed draw * all of them.
  static i64 locate(const float* weights, i64 count, float draw) {
    auto block_sum = [&](i64 b) {
      return double(sum_over(smaller(kDrawBlock, count - b), [&](i64 i, i64 n) { return load_n(weights + b + i, n); }));
    };
    double total = 0, before = 0;
    for (i64 b = 0; b < count; b += kDrawBlock) total += block_sum(b);
    double target = double(draw) * total;
    i64 begin = 0;
    for (i64 b = 0; b < count; b += kDrawBlock) {
      double sum = block_sum(b);
      if (sum > 0) begin = b;
      if (before + sum > target) break;
      before += sum;
    }
    i64 last = begin;
    for (i64 i = begin, end = smaller(count, begin + kDrawBlock); i < end; i++) {
      before += double(weights[i]);
      if (weights[i] > 0) last = i;
      if (before > target) return i;
    }
    return last;
  }
};

struct top_logprobs {
  const float* logits;
  float* workspace;
  int32_t* ids;
  float* logprobs;
  i64 R, V, count;
  static constexpr int phases = kSteps;
  static constexpr const char* signature = "logits:f32 workspace:f32! ids:i32! logprobs:f32! R:int V:int count:int";
  void fields(Words& w) { w(logits, workspace, ids, logprobs, R, V, count); }
  i64 tasks(int phase) const { return tasks_of_step(*this, phase); }
  void run(int phase, i64 task, Worker& worker) const { run_step(*this, phase, task, worker); }

  bool step(int s, const Row& row, i64 p, Worker& worker) const {
    if (s == 0) {
      Piece& piece = row.pieces[p];
      bool good = scan(row.raw + p * kPiece, row.size(p), row.maxima + p * kPieceMaxima, piece.raw_top, piece.best);
      if (!good) worker.fail(kNotFinite, row.r, 0, 0);
      return good;
    }
    if (s == 1) {
      float top = row.raw_top();
      bool finite = top - top == 0;
      if (finite)
        sum_piece(row, p, top);
      else
        worker.fail(kNotFinite, row.r, 0, 0);
      return finite;
    }
    if (s == 2) *row.floor = floor_of_largest(row, count, bins_of(worker));
    if (s == 3) gather(row, p);
    if (s == 4) list(row);
    return true;
  }

  // The candidates come in ascending id, so an equal one comes after those already listed.
  void list(const Row& row) const {
    float value[kMaxListed];
    int32_t id[kMaxListed];
    i64 found = join(row), listed = 0, most = smaller(count, kMaxListed);
    for (i64 i = 0; i < found; i++) {
      float x = row.weights[i];
      if (listed == most && !(x > value[most - 1])) continue;
      i64 at = listed < most ? listed++ : most - 1;
      for (; at > 0 && x > value[at - 1]; at--) {
        value[at] = value[at - 1];
        id[at] = id[at - 1];
      }
      value[at] = x;
      id[at] = row.ids[i];
    }
    float top = row.raw_top(), log_sum = row.log_sum();
    for (i64 i = 0; i < listed; i++) {
      ids[row.r * count + i] = id[i];
      logprobs[row.r * count + i] = (value[i] - top) - log_sum;
    }
  }
};

constexpr Kernel sampling_kernels[] = {
    row<sample_tokens>("sample_tokens"),
    row<top_logprobs>("top_logprobs"),
};

}  // namespace minke::MINKE_ISA
