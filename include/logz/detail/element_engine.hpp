// SPDX-License-Identifier: MIT
//
// The engine's functions of single numbers, which know slices by their memory alone.
#pragma once

#include <algorithm>

#include "../simd/dispatch.hpp"
#include "slice_sums.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace engine {

/// Numbers that pass through the stack together.
inline constexpr Index element_block = 256;

/// A run of numbers side by side: of one slice, or of one number or several of the slices from `first` on.
template <class S>
struct element_run {
  const S* x;
  const S* g;
  S* out;
  Index count;
  Index slice;  // -1: of several
  Index first;
};

/// Calls f(run) for all numbers of x, in runs that lie side by side, or come and go by way of the stack. Null data: there
/// is no such operand. Where the next run begins where one ends, up to most_slices runs of a slice, or most_across runs of a
/// number of each, are one.
template <class S, class Function>
void for_each_run(const slice_shape& shape, const slices<const S>& x, const slices<const S>& g,
                  const slices<S>& out, Index most_slices, Index most_across, const Function& f) {
  const bool paired = g.data != nullptr, writes = out.data != nullptr;
  const auto every = [&](const auto& holds) {
    return holds(x) && (!paired || holds(g)) && (!writes || holds(out));
  };
  const bool along = every([](const auto& s) { return s.length_stride == 1; });
  const bool across = every([](const auto& s) { return s.inner_stride == 1; });
  // The stride of an axis of one number says nothing.
  const bool sliced = shape.length != 1 && (shape.inner == 1 || along || (!across && !is_interleaved(x)));
  const Index count = sliced ? shape.length : shape.inner, runs = sliced ? shape.inner : shape.length;
  const auto step = [sliced](const auto& s) { return sliced ? s.length_stride : s.inner_stride; };
  const auto leap = [sliced](const auto& s) { return sliced ? s.inner_stride : s.length_stride; };
  const auto from = [&](const auto& s, Index r) { return s.data + r * leap(s); };
  const bool direct = sliced ? along : across;
  const bool dense = direct && every([&](const auto& s) { return leap(s) == count; });
  const Index together = dense ? std::min(sliced ? most_slices : most_across, runs) : 1;
  S xs[element_block], gs[element_block];
  for (Index r = 0; r < runs; r += together) {
    const Index slice = sliced && together == 1 ? r : -1;
    if (direct) {
      f(element_run<S>{from(x, r), paired ? from(g, r) : nullptr, writes ? from(out, r) : nullptr,
                       count * std::min(together, runs - r), slice, 0});
      continue;
    }
    for (Index start = 0; start < count; start += element_block) {
      const Index n = std::min(element_block, count - start);
      for (Index i = 0; i < n; ++i) xs[i] = from(x, r)[(start + i) * step(x)];
      for (Index i = 0; i < n && paired; ++i) gs[i] = from(g, r)[(start + i) * step(g)];
      f(element_run<S>{xs, gs, xs, n, slice, start});
      for (Index i = 0; i < n && writes; ++i) from(out, r)[(start + i) * step(out)] = xs[i];
    }
  }
}

/// out = f(x), or f(g, x), number by number.
template <simd::element_op Op, class S>
void elements(const slice_shape& shape, const slices<const S>& g, const slices<const S>& x,
              const slices<S>& out) {
  for_each_run(shape, x, g, out, shape.inner, shape.length, [](const element_run<S>& run) {
    simd::run<Op>(simd::element_call<S>{run.x, run.g, run.out, run.count});
  });
}

/// Factors of the slices: none for 1, one for all, or one each. Where there are few slices they are repeated, for runs of
/// several numbers of each.
template <class S>
class slice_factors {
 public:
  slice_factors(const S* data, Index size) : data_(data), size_(size) {
    for (Index i = 0; i < element_block && repeats(); ++i)
      repeated_[i] = i < size ? data[i] : repeated_[i - size];
  }
  bool one_each() const { return size_ > 1; }
  S of(Index slice) const { return size_ == 0 ? S(1) : data_[one_each() && slice >= 0 ? slice : 0]; }
  const S* from(const element_run<S>& run) const {
    if (!one_each() || run.slice >= 0) return nullptr;
    return repeats() && run.first == 0 ? repeated_ : data_ + run.first;
  }

 private:
  bool repeats() const { return one_each() && size_ <= element_block; }

  const S* data_;
  Index size_;
  S repeated_[element_block];
};

/// Binary losses, their sum or their gradient; add(sum, what it lost) for every run.
template <simd::binary_op Op, class S, class Add>
void binary(const slice_shape& shape, const slices<const S>& x, const slices<const S>& y,
            const slices<S>& out, const slice_factors<S>& weight, const slice_factors<S>& pos_weight,
            double divisor, const Add& add) {
  const bool alike = !weight.one_each() && !pos_weight.one_each();
  const Index repeats = std::max<Index>(element_block / std::max<Index>(shape.inner, 1), 1);
  for_each_run(shape, x, y, out, alike ? shape.inner : 1, alike ? shape.length : repeats,
               [&](const element_run<S>& run) {
                 double sum[2] = {0, 0};
                 simd::run<Op>(simd::binary_call<S>{run.x, run.g, run.out, run.count, weight.from(run),
                                                    pos_weight.from(run), weight.of(run.slice),
                                                    pos_weight.of(run.slice), divisor, sum});
                 add(sum[0], sum[1]);
               });
}

}  // namespace engine
}  // namespace detail
LOGZ_NAMESPACE_END
