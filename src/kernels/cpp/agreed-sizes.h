// All sizes that TypeScript must agree on, by name: kSizes, and what panels keep of ggml's blocks.
#pragma once
#include "block-forms.h"
#include "sizes.h"

namespace minke {

constexpr Size kBlockSizes[] = {
    {"panelColumnBytes q4_1", form_of(Blocks::q4_1).bytes()},
    {"panelColumnBytes q5_0", form_of(Blocks::q5_0).bytes()},
    {"panelColumnBytes q5_1", form_of(Blocks::q5_1).bytes()},
    {"panelColumnBytes q2_K", form_of(Blocks::q2_K).bytes()},
    {"panelColumnBytes q3_K", form_of(Blocks::q3_K).bytes()},
    {"panelColumnBytes q4_K", form_of(Blocks::q4_K).bytes()},
    {"panelColumnBytes q5_K", form_of(Blocks::q5_K).bytes()},
    {"panelColumnBytes q6_K", form_of(Blocks::q6_K).bytes()},
    {"panelColumnBytes iq4_nl", form_of(Blocks::iq4_nl).bytes()},
    {"panelColumnBytes mxfp4", form_of(Blocks::mxfp4).bytes()},
    {"panelColumnBytes iq4_xs", form_of(Blocks::iq4_xs).bytes()},
};
constexpr int kAgreedCount = kSizeCount + sizeof(kBlockSizes) / sizeof(kBlockSizes[0]);

constexpr const Size& agreed_size(int i) { return i < kSizeCount ? kSizes[i] : kBlockSizes[i - kSizeCount]; }

}  // namespace minke
