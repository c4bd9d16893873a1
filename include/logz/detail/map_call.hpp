// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "arithmetic.hpp"
#include "expression.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// A function whose first argument gives the result its shape, and no more.
template <class Function, class = void>
inline constexpr bool takes_shape_alone = false;
template <class Function>
inline constexpr bool takes_shape_alone<Function, std::enable_if_t<Function::of_shape>> = true;

/// A function whose result has the shape of its slices: function.run(shape, slices of each argument ..., out). The
/// result follows the first argument in shape, kind and storage order.
template <class Function, class... Arguments>
class map_call {
  using All = std::tuple<Arguments...>;
  using Model = std::tuple_element_t<0, All>;
  static constexpr std::size_t first_read = takes_shape_alone<Function> ? 1 : 0;
  template <std::size_t I>
  using Read = std::tuple_element_t<I + first_read, All>;
  using Reads = std::make_index_sequence<sizeof...(Arguments) - first_read>;

  template <std::size_t... I>
  static constexpr bool any_lazy(std::index_sequence<I...>) {
    return (!Read<I>::direct || ...);
  }

 public:
  using PlainObject = typename Model::Xpr::PlainObject;
  using Scalar = typename Model::Scalar;
  static constexpr const char* name = Function::name;
  static constexpr bool valid =
      is_supported_scalar<Scalar> && ((std::is_same_v<Scalar, typename Arguments::Scalar> ||
                                       std::is_same_v<loss_t<Scalar>, typename Arguments::Scalar>)&&...);
  static constexpr bool lazy = any_lazy(Reads{});

  explicit map_call(const Function& function, const Arguments&... arguments)
      : function_(function), arguments_(arguments...) {}

  Index rows() const { return model().xpr().rows(); }
  Index cols() const { return model().xpr().cols(); }

  void check() const {
    const slice_shape s = shape();
    const bool fit = std::apply([&](const auto&... a) { return (a.fits(s) && ...); }, arguments_);
    if (!fit) raise_resized(name);
  }

  template <class Dst>
  bool conflicts_with(Dst& dst) const {
    return worst_sharing(dst, Reads{}) == sharing::conflict;
  }

  template <class Dst>
  void run(Dst& dst) const {
    run_staged(dst, Reads{});
  }

 private:
  using Cut = typename Model::Cut;

  const Model& model() const { return std::get<0>(arguments_); }
  slice_shape shape() const { return shape_of(model().xpr(), Cut{}); }
  template <std::size_t I>
  const Read<I>& read() const {
    return std::get<I + first_read>(arguments_);
  }

  template <class Dst, std::size_t... I>
  sharing worst_sharing(Dst& dst, std::index_sequence<I...>) const {
    if constexpr (is_plain_object<Dst> && (Read<I>::is_plain && ...)) {
      return std::max({sharing::none, read<I>().sharing_with_object(dst)...});
    } else {
      return std::max({sharing::none, read<I>().sharing_with(shape(), dst, Cut{})...});
    }
  }

  template <class Dst, std::size_t... I>
  void run_staged(Dst& dst, std::index_sequence<I...> reads) const {
    // A single lazy argument is evaluated into the destination unless another argument is read from there.
    constexpr int lazy_slices = (0 + ... + static_cast<int>(Read<I>::lazy_slices));
    [[maybe_unused]] const bool in_destination =
        lazy_slices == 1 && worst_sharing(dst, reads) == sharing::none;
    // Copies are made first, in order; the destination is overwritten last.
    std::tuple<staged<Read<I>>...> stages{
        staged<Read<I>>(read<I>(), Read<I>::lazy_slices && in_destination)...};
    (std::get<I>(stages).place_in(dst), ...);
    function_.run(shape(), std::get<I>(stages).view()..., slices_of(dst, Cut{}));
  }

  Function function_;
  All arguments_;
};

/// The expression of a function of slices.
template <class Function, class... Arguments>
auto map_expression(const Function& function, const Arguments&... arguments) {
  return make_expression<map_call<Function, Arguments...>>(function, arguments...);
}

}  // namespace detail
LOGZ_NAMESPACE_END
