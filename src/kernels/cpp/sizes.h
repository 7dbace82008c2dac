// Sizes that TypeScript must agree on: constants of the arithmetic and of layouts, and the bytes of workspaces.
//
// src/kernels/sizes.ts holds the same; opening a device compares the two lists (kSizes), so that neither side changes
// alone. Formulas are compared by one example each.
#pragma once
#include "kernel.h"

namespace minke {

// Format codes of `*_type` arguments (dtype.ts).
constexpr i64 kTypeF32 = 0, kTypeBf16 = 1, kTypeE4m3 = 2;

constexpr i64 kTile = 128;           // values that share an FP8 scale along the reduction, and the promotion interval
constexpr i64 kGroupSize = 32;       // values that share a scale of int8 and int4 weights
constexpr i64 kInt8BlockBytes = 34;  // of a group: an f16 scale and 32 codes
constexpr i64 kInt4BlockBytes = 18;
constexpr i64 kRowBlock = 32;            // rows whose column sums are added first
constexpr i64 kSumBlock = 4096;          // elements of a whole-tensor sum that are added first
constexpr i64 kSquaresPerBlock = 65536;  // values of a partial sum of squares
constexpr i64 kBlockTokens = 64;         // tokens of a block of the paged cache
constexpr i64 kChunkKeys = 128;          // keys whose softmax is one piece of paged attention
constexpr i64 kMaxListed = 20;           // tokens that top_logprobs lists at most
constexpr i64 kPoolF32 = 0, kPoolBf16 = 1, kPoolFp8 = 2, kPoolInt8 = 3;

// What a product may use: packed A, in f32 or as bf16 filled up to blocks of 32, its scales, and the list of row
// blocks. m rows of C in all groups, reduction k.
constexpr i64 gemm_workspace_bytes(i64 m, i64 k, i64 groups) {
  return 4 * m * (larger(k, blocks(k, 2) + 16 * groups) + blocks(k, kTile) + 2 * groups + 2);
}

// f32 numbers of a split attention's workspace: outputs of all chunks, then a maximum and a sum of each.
constexpr i64 max_chunks(i64 max_blocks) { return blocks(max_blocks * kBlockTokens, kChunkKeys); }
constexpr i64 partial_outputs(i64 T, i64 Hq, i64 Dv, i64 max_blocks) { return T * Hq * max_chunks(max_blocks) * Dv; }
constexpr i64 partial_words(i64 T, i64 Hq, i64 Dv, i64 max_blocks) {
  return partial_outputs(T, Hq, Dv, max_blocks) + T * Hq * max_chunks(max_blocks) * 2;
}

// Bytes of a token's record in a paged pool: numbers as they are, or codes with their scales and the rest as bf16.
constexpr i64 record_bytes(i64 width, i64 codes, i64 tile, i64 format) {
  if (format == kPoolF32) return 4 * width;
  if (format == kPoolBf16) return 2 * width;
  return codes + 4 * blocks(codes, tile) + 2 * (width - codes);
}

// A row of logits in sampling: pieces of kPiece logits, each with its maxima and a record.
constexpr i64 kPiece = 8192;
constexpr i64 kPieceMaxima = 512;
constexpr i64 kPieceWords = 8;
constexpr i64 kThresholdBins = 2048;
constexpr i64 sampling_row_words(i64 V) { return 3 * V + blocks(V, kPiece) * (kPieceMaxima + kPieceWords) + 8; }
// Bytes of a worker's scratch that a row may take: all but the histogram of a threshold.
constexpr i64 kSamplingScratchBytes = i64(kScratchBytes) - kThresholdBins * 12;

struct Size {
  const char* name;
  i64 value;
};

constexpr Size kSizes[] = {
    {"dtypeCode f32", kTypeF32},
    {"dtypeCode bf16", kTypeBf16},
    {"dtypeCode e4m3", kTypeE4m3},
    {"tileSize", kTile},
    {"groupSize", kGroupSize},
    {"groupBlockBytes int8", kInt8BlockBytes},
    {"groupBlockBytes int4", kInt4BlockBytes},
    {"blockTokens", kBlockTokens},
    {"chunkKeys", kChunkKeys},
    {"maxListed", kMaxListed},
    {"poolFormat f32", kPoolF32},
    {"poolFormat bf16", kPoolBf16},
    {"poolFormat fp8", kPoolFp8},
    {"poolFormat int8", kPoolInt8},
    {"samplingScratchBytes", kSamplingScratchBytes},
    {"squarePartials(200000)", blocks(200000, kSquaresPerBlock)},
    {"sumWorkspaceBytes(10000)", 4 * blocks(10000, kSumBlock)},
    {"columnSumWorkspaceBytes(100, 7)", 4 * 7 * blocks(100, kRowBlock)},
    {"gemmWorkspaceBytes(5, 300, 3)", gemm_workspace_bytes(5, 300, 3)},
    {"pagedAttentionWorkspaceBytes(3, 5, 7, 9)", 4 * partial_words(3, 5, 7, 9)},
    {"samplingWorkspaceBytes(2, 20000)", 2 * 4 * sampling_row_words(20000)},
    {"recordBytes of 576 f32", record_bytes(576, 0, 1, kPoolF32)},
    {"recordBytes of 576 bf16", record_bytes(576, 0, 1, kPoolBf16)},
    {"recordBytes of 512 codes and 64 bf16", record_bytes(576, 512, kTile, kPoolFp8)},
    {"recordBytes of 4 heads of 80 in int8", record_bytes(320, 320, 80, kPoolInt8)},
};
constexpr int kSizeCount = sizeof(kSizes) / sizeof(kSizes[0]);

}  // namespace minke
