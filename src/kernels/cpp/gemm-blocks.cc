// Weights in ggml's block formats beyond Q8_0 and Q4_0: their products, dense and grouped by expert (group-gemm.h),
// their rows (panel-rows.h), and the packing of blocks as files have them. Arithmetic as in block-dot.h, panels as in
// block-panels.h.
#include "apart-blocks.h"
#include "block-dot.h"
#include "group-gemm.h"
#include "panel-rows.h"

namespace minke::MINKE_ISA::gemm {

template <Blocks format>
struct BlockWeights {
  static constexpr Form form = form_of(format);
  static constexpr int kBias = form.minimums ? -1 : form.bias, kParts = form.parts;
  static constexpr i64 kRowWords = row_words(form.parts);
  static constexpr i64 kPieceBytes = kPieceGroups * wide_bytes(form.parts, form.minimums);
  static constexpr i64 kWideRows = 0, kStreamRows = 1;
  static_assert(kPieceGroups % form.groups() == 0);

  static i64 panel_bytes(i64 k) { return k / kGroupSize / form.groups() * form.bytes() * kPanel; }

  static void stream(const int32_t* words, const Reading& reading, bool, i64 k, i64, const Tile& tile) {
    stream_blocks<format>(words, reading.panel, reading.ahead, k / kGroupSize / form.groups(), tile);
  }

  static const char* widen(const char* panel, i64 count, char* to) {
    widen_blocks<format>(panel, count / form.groups(), to);
    return to;
  }

  // The values of one column in a group.
  static void read_group(const char* panel, i64 group, i64 column, float* values) {
    const char* block = panel + group / form.groups() * form.bytes() * kPanel;
    i64 own = group % form.groups(), lane = column % W;
    int v = int(column / W);
    vu words[form.words()];
    for (int i = 0; i < form.words(); i++)
      words[i] = load_words(block + (form.header() + 4 * form.words() * own) * kPanel + (2 * i + v) * 4 * W);
    for (int q = 0; q < kQuads; q++) {
      int part = q * form.parts / kQuads;
      float scale = factors_at<format>(block, own, part, v, false)[lane];
      float minimum = form.minimums ? factors_at<format>(block, own, part, v, true)[lane] : 0;
      uint32_t codes = codes_at<format>(words, q)[lane];
      for (int b = 0; b < 4; b++) values[4 * q + b] = scale * float(int(codes >> (8 * b) & 255) - form.bias) - minimum;
    }
  }

  static void multiply(const int32_t* words, const char* piece, i64 count, i64 rows, const Tile& tile) {
    for_rows<kDotRows>(rows, [&]<int R>() { multiply_wide<R, form.parts, form.minimums>(words, piece, count, tile); });
  }
};

// Blocks as ggml stores them, rows [groups][n][k / 32 or k / 256], into panels; columns that fill the last panel get
// scale 0.
template <Blocks format>
struct PackBlocks {
  const uint8_t* from;
  char* panels;
  i64 n, k, groups;
  static constexpr Form form = form_of(format);
  static constexpr const char* signature = "blocks:u8 panels:u8! n:int k:int groups:int";
  void fields(Words& w) { w(from, panels, n, k, groups); }
  i64 tasks() const { return groups * blocks(n, kPanel); }
  void run(i64 task, Worker&) const {
    i64 across = k / kGroupSize / form.groups(), first = task % blocks(n, kPanel) * kPanel;
    i64 columns = smaller(kPanel, n - first);
    const uint8_t* rows = from + (task / blocks(n, kPanel) * n + first) * across * form.stored;
    char* to = panels + task * across * form.bytes() * kPanel;
    for (i64 block = 0; block < across; block++, to += form.bytes() * kPanel) {
      if (columns < kPanel) __builtin_memset(to, 0, size_t(form.bytes() * kPanel));
      for (i64 j = 0; j < columns; j++) {
        Column column;
        read_block<format>(rows + (j * across + block) * form.stored, column);
        write_column<format>(column, to, j);
      }
    }
  }
};

#define MINKE_BLOCK_ROWS(name)                                                        \
  row<PackBlocks<Blocks::name>>("pack_panels_" #name),                                \
      row<DenseGroupGemm<BlockWeights<Blocks::name>>>("gemm_panel_" #name),           \
      row<GroupedGroupGemm<BlockWeights<Blocks::name>>>("grouped_gemm_panel_" #name), \
      row<EmbeddingPanel<BlockWeights<Blocks::name>>>("embedding_panel_" #name)

constexpr Kernel block_kernels[] = {
    MINKE_BLOCK_ROWS(q4_1),   MINKE_BLOCK_ROWS(q5_0),  MINKE_BLOCK_ROWS(q5_1),   MINKE_BLOCK_ROWS(q2_K),
    MINKE_BLOCK_ROWS(q3_K),   MINKE_BLOCK_ROWS(q4_K),  MINKE_BLOCK_ROWS(q5_K),   MINKE_BLOCK_ROWS(q6_K),
    MINKE_BLOCK_ROWS(iq4_nl), MINKE_BLOCK_ROWS(mxfp4), MINKE_BLOCK_ROWS(iq4_xs),
};

}  // namespace minke::MINKE_ISA::gemm
