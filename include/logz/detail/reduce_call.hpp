// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include "expression.hpp"
#include "per_slice.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// A function that takes expressions as they are, and knows what to do with lazy ones.
template <class Function, class = void>
inline constexpr bool takes_expressions = false;
template <class Function>
inline constexpr bool takes_expressions<Function, std::enable_if_t<Function::of_expressions>> = true;

/// A function with one number a slice: function.run(shape, slices of each argument ..., out), or of expressions
/// function.run(arguments ..., out). Result: its scalar.
template <class Result, class Function, class Model, class... Arguments>
class reduce_call {
  using Form = per_slice_result<Model, Result>;
  using Cut = typename Model::Cut;

 public:
  using Scalar = Result;
  using PlainObject = typename Form::PlainObject;
  static constexpr const char* name = Function::name;
  static constexpr bool valid = is_supported_scalar<typename Model::Scalar> &&
                                (std::is_same_v<typename Model::Scalar, typename Arguments::Scalar> && ...);
  static constexpr bool lazy = !Model::direct || (!Arguments::direct || ...);

  reduce_call(const Function& function, const Model& model, const Arguments&... others)
      : function_(function), arguments_(model, others...) {}

  Index rows() const { return Form::rows(model()); }
  Index cols() const { return Form::cols(model()); }

  void check() const {
    const bool fit = std::apply([&](const auto&... a) { return (a.fits(shape()) && ...); }, arguments_);
    if (!fit) raise_resized(name);
  }

  template <class Dst>
  bool conflicts_with(Dst& dst) const {
    return std::apply([&](const auto&... a) { return (conflicts_per_slice(a, dst) || ...); }, arguments_);
  }

  template <class Dst>
  void run(Dst& dst) const {
    run_into(slices<Result>(slices_of(dst, Cut{})));
  }

  /// The number of the only slice.
  Result number() const {
    Result result{};
    if constexpr (valid) run_into(slices<Result>{&result, 0, 0, 0});
    return result;
  }

 private:
  const Model& model() const { return std::get<0>(arguments_); }
  slice_shape shape() const { return shape_of(model().xpr(), Cut{}); }

  void run_into(const slices<Result>& out) const {
    std::apply(
        [&](const auto&... a) {
          if constexpr (takes_expressions<Function>) {
            function_.run(a..., out);
          } else {
            // Lazy arguments are evaluated once, into temporaries.
            const std::tuple<staged<std::decay_t<decltype(a)>>...> stages{
                staged<std::decay_t<decltype(a)>>(a, false)...};
            std::apply([&](const auto&... stage) { function_.run(shape(), stage.view()..., out); }, stages);
          }
        },
        arguments_);
  }

  Function function_;
  std::tuple<Model, Arguments...> arguments_;
};

/// The scalar of an expression, with or without its axis.
template <class X>
using scalar_of = typename X::Scalar;

template <class X>
inline constexpr bool has_axis = false;
template <class X, int Direction>
inline constexpr bool has_axis<Eigen::VectorwiseOp<X, Direction>> = true;

/// The call's one number per slice: of arguments with an axis an expression, of vectors the number.
template <class Result, bool Axis, class Function, class... Arguments>
auto reduction_of(const Function& f, const Arguments&... arguments) {
  using Call = reduce_call<Result, Function, Arguments...>;
  if constexpr (Axis) {
    return make_expression<Call>(f, arguments...);
  } else {
    return Call(f, arguments...).number();
  }
}

}  // namespace detail
LOGZ_NAMESPACE_END
