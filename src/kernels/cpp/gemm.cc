// GEMM, dense and grouped, in NT, NN and TN, for f32, bf16 and FP8; see gemm-plan.h and gemm-tile.h.
//
//   NT  C[m,n] = sum_k A[m,k] B[n,k]    forward: activations times weights [out, in]
//   NN  C[m,n] = sum_k A[m,k] B[k,n]    dgrad: output gradients times weights
//   TN  C[m,n] = sum_k A[k,m] B[k,n]    wgrad: output gradients times activations
//   panel  NT with B packed beforehand (gemm-panel.h): weights that are used many times, and GEMV
//
// Two phases: pack A into the workspace, then blocks of C; B is packed inside the tasks that use it. FP8 (DeepSeek-V3
// section 3.3): activations are quantized while they are packed, 1 x 128 along the reduction; weights come as codes
// with one scale a 128 x 128 block; in TN both sides are activations. Left out: split K.
#include "apart.h"
#include "gemm-operands.h"
#if defined(MINKE_TILES)
#include "gemm-tiled.h"
#endif

namespace minke::MINKE_ISA::gemm {

template <Layout layout, Mode mode>
struct Gemm : Operands<layout, mode> {
  MINKE_OPERANDS(layout, mode)

  static constexpr bool pairs = pairs_in<mode>;
  static constexpr i64 block_steps = kBlockWords * (pairs ? 2 : 1);

  // -- where operands lie --

  // A single row whose elements are the words of the product already.
  bool packed_as_given() const {
    if (m != 1 || offsets || by_reduction) return false;
    return mode == Mode::f32 ? a_type == kTypeF32 : mode == Mode::bf16 && pairs && a_type == kTypeBf16 && k % 2 == 0;
  }

  // Packed rows of A from `row`; within TN every group has its own m rows of its own length.
  float* packed(i64 group, i64 row) const {
    if (packed_as_given()) return static_cast<float*>(const_cast<void*>(a));
    float* base = static_cast<float*>(workspace);
    if (!by_reduction) return base + row * words_of<mode>(k);
    i64 before = pairs ? (start(group) + group) / 2 : start(group);
    return base + before * m + row * words_of<mode>(reduction(group));
  }
  float* packed_scales(i64 group, i64 row) const {
    i64 rows_words = by_reduction ? m * (words_of<mode>(k) + groups) : m * words_of<mode>(k);
    float* base = static_cast<float*>(workspace) + rows_words;
    if (!by_reduction) return base + row * blocks(k, kTile);
    return base + (start(group) / kTile + group) * m + row * blocks(reduction(group), kTile);
  }

  // After the packed A.
  BlockList* list() const {
    return reinterpret_cast<BlockList*>(static_cast<float*>(workspace) + m * (words_of<mode>(k) + blocks(k, kTile)));
  }

  // -- tasks --

  static constexpr int phases = 3;

  i64 tasks(int phase) const {
    if (m == 0 || n == 0 || groups == 0 || (phase == 1 && packed_as_given())) return 0;
    if (phase == 0) return offsets ? 1 : 0;
    if (phase == 1) return listed() ? list()->count * pack_slices() : row_slots(kPackRows);
    return (listed() ? list()->count : row_slots(task_rows())) * column_blocks();
  }
  i64 pack_slices() const { return blocks(list()->most, kPackRows); }
  i64 task_rows() const { return rows_per_task(m, column_blocks() * (by_reduction ? groups : 1)); }
  i64 task_panels() const { return panels_per_task(listed() ? blocks(m, list()->count) : m, n, k); }
  i64 column_blocks() const { return blocks(n, task_panels() * kPanel); }

  void run(int phase, i64 task, Worker& worker) const {
    if (phase == 0) {
      if (check_offsets(offsets, groups, by_reduction ? k : m, worker) && listed())
        list()->write(offsets, groups, kBlockRows);
    } else if (phase == 1) {
      pack_rows(listed() ? list()->slice(task / pack_slices(), task % pack_slices(), offsets, kBlockRows, kPackRows)
                         : rows_at(kPackRows, task),
                reinterpret_cast<float*>(worker.scratch));
    } else {
      i64 block = task / column_blocks();
      compute(listed() ? list()->at(block, offsets, kBlockRows) : rows_at(task_rows(), block), task % column_blocks(),
              worker, *reinterpret_cast<GemmScratch*>(worker.scratch));
    }
  }

  void pack_rows(const Rows& rows, float* temporary) const {
    Source source = {a, lda, a_type};
    i64 length = reduction(rows.group);
    for (i64 step = 0; step < length; step += kPackSteps)
      for (i64 row = rows.first; row < rows.first + rows.count; row += kRows) {
        i64 lanes = smaller(kRows, rows.first + rows.count - row);
        pack<mode, by_reduction>(source, row, lanes, start(rows.group) + step, smaller(kPackSteps, length - step),
                                 packed(rows.group, row) + words_of<mode>(step) * lanes, lanes,
                                 packed_scales(rows.group, row) + step / kTile * lanes, temporary);
      }
  }

  // -- one task: rows of one group times a run of panels --

  void compute(const Rows& rows, i64 column_block, const Worker& worker, GemmScratch& scratch) const {
    if (rows.count == 0) return;
    i64 first = column_block * task_panels() * kPanel;
    i64 last = smaller(n, first + task_panels() * kPanel);
    i64 later = column_block + worker.threads;  // likely this thread's next task
    i64 later_group = smaller(rows.group + later / column_blocks(), groups - 1);
    i64 later_column = later % column_blocks() * task_panels() * kPanel;
    for (i64 column = first; column < last; column += kBlockPanels * kPanel) {
      i64 columns = smaller(last - column, kBlockPanels * kPanel);
      i64 c_row = rows.first + (by_reduction ? rows.group * m : 0);
      Output output = {c, ldc, c_type, accumulate != 0};
      i64 ld;
      float* sums = output.begin(c_row, rows.count, column, columns, scratch.sums, &ld);
      Tile tile = {sums, ld, columns, !accumulate};
      bool more = column + columns < last;
      if (!stream(rows, column, worker.tuning->ahead, tile))
        compute_block(rows, column, tile, more ? rows.group : later_group, more ? column + columns : later_column,
                      scratch);
      output.end(c_row, rows.count, column, columns, sums);
    }
  }

  // Few rows and packed weights: no scratch, the whole reduction at once.
  bool stream(const Rows& rows, i64 column, [[maybe_unused]] i64 ahead, const Tile& tile) const {
    if (layout != Layout::panel || rows.count > kFewRows || !streams<mode>) return false;
    const float* words = packed(rows.group, rows.first);
    const char* panels = panel_at<mode>(b, rows.group, n, k, column);
    for_rows<kFewRows>(rows.count, [&]<int R>() {
      if constexpr (mode == Mode::fp8)
        stream_codes<R>(words, packed_scales(rows.group, rows.first), panels, panel_bytes<mode>(k), k,
                        weight_scale(rows.group, column, 0), tile);
      else if constexpr (mode == Mode::bf16 && !kPairs)
        stream_halves<R>(words, panels, panel_bytes<mode>(k), k, ahead, tile);
      else
        stream_words<pairs, R>(words, panels, panel_bytes<mode>(k), words_of<mode>(k), tile);
    });
    return true;
  }

  void compute_block(const Rows& rows, i64 column, const Tile& block, i64 later_group, i64 later_column,
                     GemmScratch& scratch) const {
    i64 length = reduction(rows.group), step = 0;
    do {
      i64 steps = smaller(block_steps, length - step);
      bool more = step + steps < length;
      Ahead ahead = more ? block_ahead(rows.group, column, step + steps) : block_ahead(later_group, later_column, 0);
      const float* panels[kBlockPanels];
      for (i64 p = 0; p * kPanel < block.columns; p++)
        panels[p] = panel_words(rows.group, column + p * kPanel, p, step, steps, scratch);
      for (i64 row = 0; row < rows.count; row += kRows) {
        i64 height = smaller(kRows, rows.count - row);
        const float* words = packed(rows.group, rows.first + row) + words_of<mode>(step) * height;
        const float* scales = packed_scales(rows.group, rows.first + row) + step / kTile * height;
        for (i64 p = 0; p * kPanel < block.columns; p++) {
          Tile tile = {block.sums + row * block.ld + p * kPanel, block.ld, block.columns - p * kPanel,
                       step == 0 && block.fresh};
          for_rows<kRows>(height, [&]<int R>() {
            if (mode == Mode::fp8 && steps > 0)
              multiply_scaled<pairs, R>(words, panels[p], words_of<mode>(steps), scales, scratch.scales_of(p), tile,
                                        ahead);
            else
              multiply<pairs, R, 1>(words, panels[p], 0, words_of<mode>(steps), tile, ahead);
          });
        }
      }
      step += steps;
    } while (step < length);
  }

  Ahead block_ahead(i64 group, i64 column, i64 step) const {
    return stored_block(group, column, smaller(kBlockPanels * kPanel, n - column), step,
                        smaller(block_steps, reduction(group) - step));
  }
};

// Packed weights have no format word: the kernel's name says what they hold.
template <Layout layout, Mode mode>
constexpr i64 stored_type = layout != Layout::panel || mode == Mode::fp8 ? kTypeE4m3
                            : mode == Mode::bf16                         ? kTypeBf16
                                                                         : kTypeF32;

// bf16 and FP8 on tile registers, where these are the arithmetic.
template <Layout layout, Mode mode>
struct Product : Gemm<layout, mode> {};
#if defined(MINKE_TILES)
template <Layout layout>
struct Product<layout, Mode::bf16> : TiledGemm<layout, Mode::bf16> {};
template <Layout layout>
struct Product<layout, Mode::fp8> : TiledGemm<layout, Mode::fp8> {};
#endif

template <Layout layout, Mode mode>
struct DenseGemm : Product<layout, mode> {
  static constexpr bool scaled = mode == Mode::fp8 && layout != Layout::tn;
  static constexpr bool typed = layout != Layout::panel && !scaled;
  static constexpr const char* signature =
      layout == Layout::panel && scaled
          ? "a:any panels:u8 b_scales:f32 c:any! workspace:u8! m:int n:int k:int lda:int ldc:int a_type:int c_type:int "
            "accumulate:int"
      : layout == Layout::panel ? "a:any panels:u8 c:any! workspace:u8! m:int n:int k:int lda:int ldc:int a_type:int "
                                  "c_type:int accumulate:int"
      : scaled ? "a:any b:e4m3 b_scales:f32 c:any! workspace:u8! m:int n:int k:int lda:int ldb:int ldc:int a_type:int "
                 "c_type:int accumulate:int"
               : "a:any b:any c:any! workspace:u8! m:int n:int k:int lda:int ldb:int ldc:int a_type:int b_type:int "
                 "c_type:int accumulate:int";
  void fields(Words& w) {
    this->offsets = nullptr;
    this->groups = 1;
    this->b_scales = nullptr;
    this->b_type = stored_type<layout, mode>;
    w(this->a, this->b);
    if constexpr (scaled) w(this->b_scales);
    w(this->c, this->workspace, this->m, this->n, this->k, this->lda);
    if constexpr (layout != Layout::panel) w(this->ldb);
    w(this->ldc, this->a_type);
    if constexpr (typed) w(this->b_type);
    w(this->c_type, this->accumulate);
  }
};

// Operands without gaps: lda = k (m in TN), ldb and ldc likewise.
template <Layout layout, Mode mode>
struct GroupedGemm : Product<layout, mode> {
  static constexpr bool scaled = mode == Mode::fp8 && layout != Layout::tn;
  static constexpr bool typed = layout != Layout::panel && !scaled;
  static constexpr const char* signature =
      layout == Layout::panel && scaled
          ? "a:any panels:u8 b_scales:f32 offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int "
            "c_type:int accumulate:int"
      : layout == Layout::panel
          ? "a:any panels:u8 offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int c_type:int "
            "accumulate:int"
      : scaled ? "a:any b:e4m3 b_scales:f32 offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int "
                 "c_type:int accumulate:int"
               : "a:any b:any offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int b_type:int "
                 "c_type:int accumulate:int";
  void fields(Words& w) {
    this->b_scales = nullptr;
    this->b_type = stored_type<layout, mode>;
    w(this->a, this->b);
    if constexpr (scaled) w(this->b_scales);
    w(this->offsets, this->c, this->workspace, this->m, this->n, this->k, this->groups, this->a_type);
    if constexpr (typed) w(this->b_type);
    w(this->c_type, this->accumulate);
    this->lda = layout == Layout::tn ? this->m : this->k;
    this->ldb = layout == Layout::nt ? this->k : this->n;
    this->ldc = this->n;
  }
};

constexpr Kernel gemm_kernels[] = {
    row<PackPanels>("pack_panels"),
    row<DenseGemm<Layout::panel, Mode::f32>>("gemm_panel_f32"),
    row<DenseGemm<Layout::panel, Mode::bf16>>("gemm_panel_bf16"),
    row<DenseGemm<Layout::panel, Mode::fp8>>("gemm_panel_fp8"),
    row<GroupedGemm<Layout::panel, Mode::f32>>("grouped_gemm_panel_f32"),
    row<GroupedGemm<Layout::panel, Mode::bf16>>("grouped_gemm_panel_bf16"),
    row<GroupedGemm<Layout::panel, Mode::fp8>>("grouped_gemm_panel_fp8"),
    row<DenseGemm<Layout::nt, Mode::f32>>("gemm_nt_f32"),
    row<DenseGemm<Layout::nn, Mode::f32>>("gemm_nn_f32"),
    row<DenseGemm<Layout::tn, Mode::f32>>("gemm_tn_f32"),
    row<DenseGemm<Layout::nt, Mode::bf16>>("gemm_nt_bf16"),
    row<DenseGemm<Layout::nn, Mode::bf16>>("gemm_nn_bf16"),
    row<DenseGemm<Layout::tn, Mode::bf16>>("gemm_tn_bf16"),
    row<DenseGemm<Layout::nt, Mode::fp8>>("gemm_nt_fp8"),
    row<DenseGemm<Layout::nn, Mode::fp8>>("gemm_nn_fp8"),
    row<DenseGemm<Layout::tn, Mode::fp8>>("gemm_tn_fp8"),
    row<GroupedGemm<Layout::nt, Mode::f32>>("grouped_gemm_nt_f32"),
    row<GroupedGemm<Layout::nn, Mode::f32>>("grouped_gemm_nn_f32"),
    row<GroupedGemm<Layout::tn, Mode::f32>>("grouped_gemm_tn_f32"),
    row<GroupedGemm<Layout::nt, Mode::bf16>>("grouped_gemm_nt_bf16"),
    row<GroupedGemm<Layout::nn, Mode::bf16>>("grouped_gemm_nn_bf16"),
    row<GroupedGemm<Layout::tn, Mode::bf16>>("grouped_gemm_tn_bf16"),
    row<GroupedGemm<Layout::nt, Mode::fp8>>("grouped_gemm_nt_fp8"),
    row<GroupedGemm<Layout::nn, Mode::fp8>>("grouped_gemm_nn_fp8"),
    row<GroupedGemm<Layout::tn, Mode::fp8>>("grouped_gemm_tn_fp8"),
};

}  // namespace minke::MINKE_ISA::gemm
