// SPDX-License-Identifier: MIT
#pragma once

#include "expression.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// A function whose result has the shape of its slices: function.run(shape, slices of each argument ...,
/// out). Model: the expression whose shape, kind and storage order the result follows.
template <class Function, int Direction, class Model, class... Arguments>
class map_call {
 public:
  using PlainObject = typename Model::PlainObject;
  using Scalar = typename Model::Scalar;
  static constexpr const char* name = Function::name;
  static constexpr bool valid =
      is_supported_scalar<Scalar> && (std::is_same_v<Scalar, typename Arguments::Scalar> && ...);

  map_call(const Function& function, Index rows, Index cols, const Arguments&... arguments)
      : function_(function), rows_(rows), cols_(cols), arguments_(arguments...) {}

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }

  template <class Dst>
  bool needs_temporary(Dst& dst) const {
    return worst_sharing(dst) == sharing::conflict;
  }

  template <class Dst>
  void run(Dst& dst) const {
    // A single lazy argument is evaluated into the destination unless another argument is read from there.
    constexpr int lazy = (0 + ... + static_cast<int>(Arguments::lazy_slices));
    run_staged(dst, lazy == 1 && worst_sharing(dst) == sharing::none,
               std::index_sequence_for<Arguments...>{});
  }

 private:
  using cut = cut_along<Direction>;

  slice_shape shape() const {
    return Direction == Eigen::Horizontal ? slice_shape{1, cols_, rows_} : slice_shape{1, rows_, cols_};
  }

  template <class Dst>
  sharing worst_sharing(Dst& dst) const {
    const grid destination = grid_of(shape_of(dst, cut{}), slices_of(dst, cut{}));
    return std::apply(
        [&](const auto&... a) {
          return std::max({sharing::none, a.sharing_with(shape(), destination)...});
        },
        arguments_);
  }

  template <class Dst, std::size_t... I>
  void run_staged(Dst& dst, [[maybe_unused]] bool in_destination, std::index_sequence<I...>) const {
    // Copies are made first, in order; the destination is overwritten last.
    std::tuple<staged<Arguments>...> stages{
        staged<Arguments>(std::get<I>(arguments_), Arguments::lazy_slices && in_destination)...};
    (std::get<I>(stages).place_in(dst), ...);
    function_.run(shape(), std::get<I>(stages).view()..., slices_of(dst, cut{}));
  }

  Function function_;
  Index rows_;
  Index cols_;
  std::tuple<Arguments...> arguments_;
};

/// The expression of a function of slices; its result follows the model.
template <int Direction, class Model, class Function, class... Arguments>
auto map_expression(const Function& function, const Model& model, const Arguments&... arguments) {
  return make_expression(
      map_call<Function, Direction, Model, Arguments...>(function, model.rows(), model.cols(), arguments...));
}

}  // namespace detail
LOGZ_NAMESPACE_END
