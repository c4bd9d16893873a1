// SPDX-License-Identifier: MIT
//
// Arguments of a call: what they must be, and how a direct-access or a lazy expression becomes slices.
#pragma once

#include <utility>

#include "aliasing.hpp"
#include "errors.hpp"
#include "slices.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

template <class X, class = void>
struct has_data : std::false_type {};
template <class X>
struct has_data<X, std::void_t<decltype(std::declval<const X&>().data())>> : std::true_type {};

/// The numbers lie in memory with strides. (Eigen 3.4 says so of an IndexedView that does not tell where.)
template <class X>
inline constexpr bool is_direct = Eigen::internal::has_direct_access<std::remove_const_t<X>>::ret != 0 &&
                                  has_data<std::remove_const_t<X>>::value;

template <class S>
inline constexpr bool is_supported_scalar =
    Eigen::NumTraits<S>::IsComplex == 0 && Eigen::NumTraits<S>::IsInteger == 0;

/// The compile-time errors every argument can make: one line each. False where a static_assert has spoken;
/// the caller's body then stays empty, so that no other error follows.
template <class X>
constexpr bool check_scalar() {
  using Traits = Eigen::NumTraits<typename X::Scalar>;
  static_assert(!Traits::IsComplex,
                "logz: complex numbers are not ordered; softmax and its family take real scalars");
  static_assert(Traits::IsComplex || !Traits::IsInteger,
                "logz: integer scalars cannot hold the result; cast first, as in x.cast<float>()");
  return is_supported_scalar<typename X::Scalar>;
}

template <class X>
constexpr bool check_vector() {
  static_assert(
      X::IsVectorAtCompileTime,
      "logz: a matrix needs an axis; write x.rowwise(), x.colwise(), or x.reshaped() for one slice of all");
  return check_scalar<X>() && X::IsVectorAtCompileTime;
}

template <class X, class Y>
constexpr bool check_same_scalar() {
  constexpr bool same = std::is_same_v<typename X::Scalar, typename Y::Scalar>;
  static_assert(
      same, "logz: all arguments of a call have the same scalar type; write .cast<Scalar>() on one of them");
  return same;
}

/// False, of a type: for overloads that exist to say what is missing.
template <class X>
inline constexpr bool axis_missing = false;

/// A matrix or array with memory of its own.
template <class X>
inline constexpr bool is_plain_object = std::is_base_of_v<Eigen::PlainObjectBase<X>, X>;

/// A vector is one slice along itself.
template <class X>
inline constexpr int vector_direction = X::RowsAtCompileTime == 1 ? Eigen::Horizontal : Eigen::Vertical;

/// A copy of an expression that is held by value. A Map part by part: two parts that have just been written and are read as one
/// have to reach the cache first, and the call waits for the one before to end (logsumexp_backward of ten floats: 66 ns, 26
/// without).
template <class X>
const X& held(const X& xpr) {
  return xpr;
}
template <class X, int Options>
Eigen::Map<X, Options> held(const Eigen::Map<X, Options>& map) {
  using Pointer = typename Eigen::Map<X, Options>::PointerArgType;
  Index rows = map.rows(), cols = map.cols();
#ifdef __GNUC__
  asm("" : "+r"(rows), "+r"(cols));
#endif
  return Eigen::Map<X, Options>(const_cast<Pointer>(map.data()), rows, cols);
}

/// An argument cut into slices by CutInto (cut_along or one_per_slice), held as Eigen's own expressions hold
/// theirs: a plain object by reference, any other expression by value.
template <class X, class CutInto>
class argument {
 public:
  using Xpr = std::remove_const_t<X>;
  using Scalar = typename Xpr::Scalar;
  using Cut = CutInto;
  static constexpr bool direct = is_direct<Xpr>;
  static constexpr bool per_slice = std::is_same_v<Cut, one_per_slice>;
  static constexpr bool lazy_slices = !direct && !per_slice;
  static constexpr bool is_plain = is_plain_object<Xpr>;

  explicit argument(const Xpr& xpr) : xpr_(held(xpr)) {}
  argument(const argument& other) : xpr_(held(other.xpr_)) {}
  argument& operator=(const argument&) = delete;

  const Xpr& xpr() const { return xpr_; }

  bool fits(const slice_shape& shape) const {
    if constexpr (per_slice) {
      return xpr_.size() == shape.inner;
    } else {
      const slice_shape mine = shape_of(xpr_, Cut{});
      return mine.length == shape.length && mine.inner == shape.inner;
    }
  }

  /// How a direct argument shares memory with the destination, which is cut as the call's slices are. One number per
  /// slice, read while slices are written, never works in place.
  template <class Dst, class DstCut>
  inline sharing sharing_with([[maybe_unused]] const slice_shape& shape, [[maybe_unused]] Dst& dst,
                              DstCut cut) const {
    if constexpr (direct) {
      return are_apart(xpr_, dst) ? sharing::none : sharing_of_near(shape, dst, cut);
    } else {
      return sharing::none;  // for lazy arguments Eigen's own rule holds
    }
  }
  /// The same of two objects with memory of their own: they share all of it or nothing.
  template <class Object>
  sharing sharing_with_object(const Object& destination) const {
    if (static_cast<const void*>(xpr_.data()) != destination.data()) return sharing::none;
    return per_slice ? sharing::conflict : sharing::in_place;
  }

 private:
  template <class Dst, class DstCut>
  LOGZ_NOINLINE sharing sharing_of_near(const slice_shape& shape, Dst& dst, DstCut cut) const {
    const grid mine = grid_of(shape, slices_of(xpr_, Cut{}));
    const grid destination = grid_of(shape_of(dst, cut), slices_of(dst, cut));
    if (!overlap(mine, destination)) return sharing::none;
    return !per_slice && same_place(mine, destination) ? sharing::in_place : sharing::conflict;
  }

  typename Eigen::internal::ref_selector<Xpr>::type xpr_;
};

/// An argument in memory while a call runs: where it lies already.
template <class Argument, bool Direct = Argument::direct>
class staged {
 public:
  staged(const Argument& a, bool) : argument_(a) {}
  template <class Dst>
  void place_in(Dst&) {}
  slices<const typename Argument::Scalar> view() const {
    return slices_of(argument_.xpr(), typename Argument::Cut{});
  }

 private:
  const Argument& argument_;
};

/// A lazy argument in memory: evaluated into a copy or, by place_in, into the call's destination.
template <class Argument>
class staged<Argument, false> {
 public:
  staged(const Argument& a, bool in_destination) : argument_(a), in_destination_(in_destination) {
    if (!in_destination) copy_ = a.xpr();
  }
  template <class Dst>
  void place_in([[maybe_unused]] Dst& dst) {
    if constexpr (Argument::lazy_slices) {
      if (!in_destination_) return;
      // Not by operator=, which a destination of the other kind (Array, Matrix) does not have.
      Eigen::internal::call_assignment(dst, argument_.xpr());
      placed_ = slices_of(dst, typename Argument::Cut{});
    }
  }
  slices<const typename Argument::Scalar> view() const {
    return in_destination_ ? placed_ : slices_of(copy_, typename Argument::Cut{});
  }

 private:
  const Argument& argument_;
  bool in_destination_;
  typename Argument::Xpr::PlainObject copy_;
  slices<const typename Argument::Scalar> placed_{};
};

}  // namespace detail
LOGZ_NAMESPACE_END
