// SPDX-License-Identifier: MIT
//
// The kernels of one target, from its vocabulary up.

// clang-format off
#include "split_sum-inl.hpp"
#if !LOGZ_HAS_FMA
#include "float_in_double-inl.hpp"
#endif
#include "partition-inl.hpp"
#include "log_z-inl.hpp"
#include "contiguous-inl.hpp"
#include "row_sums-inl.hpp"
#include "loss-inl.hpp"
#include "shares-inl.hpp"
#include "weighted-inl.hpp"
#include "entropy-inl.hpp"
#include "hvp-inl.hpp"
#include "rows-inl.hpp"
#include "short_rows-inl.hpp"
#include "short_loss_rows-inl.hpp"
#include "transpose-inl.hpp"
#include "pack-inl.hpp"
#include "write_panel-inl.hpp"
#include "narrow_rows-inl.hpp"
#include "narrow_shares-inl.hpp"
#include "narrow-inl.hpp"
#include "short_slice-inl.hpp"
#include "columns-inl.hpp"
#include "panel-inl.hpp"
#include "loss_panel-inl.hpp"
#include "scaled_exp-inl.hpp"
#include "paired_terms-inl.hpp"
#include "paired-inl.hpp"
#include "narrow_paired-inl.hpp"
#include "paired_panel-inl.hpp"
#include "elementwise-inl.hpp"
// clang-format on

namespace LOGZ_TARGET {

template <class S, forward_op Op>
void forward(const forward_call<S>& call) {
  bool contiguous = call.x_length == 1 && (is_reduction<Op> || call.out_length == 1);
  if constexpr (is_loss<Op>)
    contiguous = contiguous && (call.loss->probability == nullptr || call.loss->probability_length == 1);
  if constexpr (Op == forward_op::hvp) contiguous = contiguous && call.second_length == 1;
  if (contiguous && call.length > (is_weighted<Op> ? short_weighted_length<S> : short_length<S>)) {
    rows<S, Op>(call);
    return;
  }
  if constexpr (has_short_rows && summed<Op> == terms::all) {
    if (contiguous && is_row<S>(call.length)) return short_rows<S, Op>(call);
  }
  if constexpr (has_short_rows && summed<Op> == terms::kept) {
    if (contiguous && is_row<S>(call.length)) return short_loss_rows<S, Op>(call);
  }
  if constexpr (is_weighted<Op>) {
    panels<S, Op>(call);
  } else if (call.count <= 2 && (call.count == 1 || call.x_slice != 1)) {
    // Two that are not neighbours share no vector.
    for (ptrdiff_t i = 0; i < call.count; ++i) narrow<S, Op>(call, i, 1);
  } else {
    panels<S, Op>(call);
  }
}

}  // namespace LOGZ_TARGET
