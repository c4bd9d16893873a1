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

/// A function whose result has the shape of its slices: function.run(shape, slices of each argument ..., out).
/// Model: the argument whose shape, kind and storage order the result follows.
template <class Function, class Model, class... Arguments>
class map_call {
 public:
  using PlainObject = typename Model::Xpr::PlainObject;
  using Scalar = typename Model::Scalar;
  static constexpr const char* name = Function::name;
  static constexpr bool valid =
      is_supported_scalar<Scalar> && ((std::is_same_v<Scalar, typename Arguments::Scalar> ||
                                       std::is_same_v<loss_t<Scalar>, typename Arguments::Scalar>)&&...);
  static constexpr bool lazy = (!Arguments::direct || ...);

  map_call(const Function& function, const Model& model, const Arguments&... arguments)
      : function_(function), model_(model), arguments_(arguments...) {}

  Index rows() const { return model_.xpr().rows(); }
  Index cols() const { return model_.xpr().cols(); }

  void check() const {
    const slice_shape s = shape();
    const bool fit = std::apply([&](const auto&... a) { return (a.fits(s) && ...); }, arguments_);
    if (!fit) raise_resized(name);
  }

  template <class Dst>
  bool conflicts_with(Dst& dst) const {
    return worst_sharing(dst) == sharing::conflict;
  }

  template <class Dst>
  void run(Dst& dst) const {
    // A single lazy argument is evaluated into the destination unless another argument is read from there.
    constexpr int lazy_slices = (0 + ... + static_cast<int>(Arguments::lazy_slices));
    run_staged(dst, lazy_slices == 1 && worst_sharing(dst) == sharing::none,
               std::index_sequence_for<Arguments...>{});
  }

 private:
  using Cut = typename Model::Cut;

  slice_shape shape() const { return shape_of(model_.xpr(), Cut{}); }

  template <class Dst>
  sharing worst_sharing(Dst& dst) const {
    if constexpr (is_plain_object<Dst> && (Arguments::is_plain && ...)) {
      return std::apply(
          [&](const auto&... a) {
            return std::max({sharing::none, a.sharing_with_object(dst)...});
          },
          arguments_);
    } else {
      return std::apply(
          [&](const auto&... a) {
            return std::max({sharing::none, a.sharing_with(shape(), dst, Cut{})...});
          },
          arguments_);
    }
  }

  template <class Dst, std::size_t... I>
  void run_staged(Dst& dst, [[maybe_unused]] bool in_destination, std::index_sequence<I...>) const {
    // Copies are made first, in order; the destination is overwritten last.
    std::tuple<staged<Arguments>...> stages{
        staged<Arguments>(std::get<I>(arguments_), Arguments::lazy_slices && in_destination)...};
    (std::get<I>(stages).place_in(dst), ...);
    function_.run(shape(), std::get<I>(stages).view()..., slices_of(dst, Cut{}));
  }

  Function function_;
  Model model_;
  std::tuple<Arguments...> arguments_;
};

/// The expression of a function of slices; its result follows the model.
template <class Function, class Model, class... Arguments>
auto map_expression(const Function& function, const Model& model, const Arguments&... arguments) {
  return make_expression(map_call<Function, Model, Arguments...>(function, model, arguments...));
}

}  // namespace detail
LOGZ_NAMESPACE_END
