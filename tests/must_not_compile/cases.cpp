// SPDX-License-Identifier: MIT
//
// Wrong programs, one per LOGZ_CASE. Each must fail to compile with one error that has the words behind "expect:" in
// it; of a "deleted:" function Clang may speak twice. "right" compiles: what fails is the mistake, not the file.
#include <logz/logz.hpp>
#include <vector>

#define CASE(name) defined(LOGZ_CASE_##name)

int main() {
  Eigen::MatrixXf x = Eigen::MatrixXf::Ones(3, 4);
  const Eigen::VectorXf v = x.col(0);
  const std::vector<int> targets{0, 1, 2};
  const Eigen::MatrixXi integers = Eigen::MatrixXi::Ones(3, 4);
  const Eigen::MatrixXcf complex = Eigen::MatrixXcf::Ones(3, 4);
  Eigen::MatrixXd doubles;
  const Eigen::MatrixXf constant = x;
  Eigen::MatrixXf out;
  float number = 0;
  const auto p = logz::softmax(x.rowwise());

#if CASE(right)
  out = logz::softmax(x.rowwise());
#elif CASE( \
    matrix_without_axis)  // expect: a matrix needs an axis; write x.rowwise(), x.colwise(), or x.reshaped()
  out = logz::softmax(x);
#elif CASE(log_softmax_matrix_without_axis)    // expect: a matrix needs an axis; write x.rowwise()
  out = logz::log_softmax(x);
#elif CASE(logsumexp_matrix_without_axis)      // expect: a matrix needs an axis; write x.rowwise()
  number = logz::logsumexp(x);
#elif CASE(backward_matrix_without_axis)       // expect: a matrix needs an axis; write x.rowwise()
  out = logz::softmax_backward(x, x);
#elif CASE(loss_matrix_without_axis)           // expect: a matrix needs an axis; write x.rowwise()
  number = logz::cross_entropy(x, targets);
#elif CASE(softmin_matrix_without_axis)        // expect: a matrix needs an axis; write x.rowwise()
  out = logz::softmin(x);
#elif CASE(log_backward_matrix_without_axis)   // expect: a matrix needs an axis; write x.rowwise()
  out = logz::log_softmax_backward(x, x);
#elif CASE(backward_axis_on_output_alone)      // expect: grad_output needs the axis of the output
  out = logz::softmax_backward(x, x.rowwise());
#elif CASE(log_backward_axis_on_output_alone)  // expect: grad_output needs the axis of the output
  out = logz::log_softmax_backward(x, x.colwise());
#elif CASE(logsumexp_backward_without_axis)    // expect: logsumexp_backward takes a matrix x with an axis
  out = logz::logsumexp_backward(v, x, v);
#elif CASE(loss_with_grad_without_axis)        // expect: a matrix needs an axis; write x.rowwise()
  number = logz::cross_entropy_with_grad(x, targets, out);
#elif CASE(integers)  // expect: integer scalars cannot hold the result; cast first, as in x.cast<float>()
  Eigen::MatrixXi i = logz::softmax(integers.rowwise());
#elif CASE(logsumexp_integers)  // expect: integer scalars cannot hold the result
  number = static_cast<float>(logz::logsumexp(integers.row(0)));
#elif CASE(loss_integers)       // expect: integer scalars cannot hold the result
  number = static_cast<float>(logz::cross_entropy(integers.rowwise(), targets));
#elif CASE(complex)  // expect: complex numbers are not ordered; softmax and its family take real scalars
  Eigen::MatrixXcf c = logz::softmax(complex.rowwise());
#elif CASE(complex_logsumexp)  // expect: complex numbers are not ordered
  const auto c = logz::logsumexp(complex.row(0));
#elif CASE( \
    other_scalar_construction)  // expect: YOU_MIXED_DIFFERENT_NUMERIC_TYPES__YOU_NEED_TO_USE_THE_CAST_METHOD
  Eigen::MatrixXd d = logz::softmax(x.rowwise());
#elif CASE( \
    other_scalar_assignment)  // expect: YOU_MIXED_DIFFERENT_NUMERIC_TYPES__YOU_NEED_TO_USE_THE_CAST_METHOD
  doubles = logz::log_softmax(x.rowwise());
#elif CASE( \
    other_scalar_logsumexp)  // expect: YOU_MIXED_DIFFERENT_NUMERIC_TYPES__YOU_NEED_TO_USE_THE_CAST_METHOD
  Eigen::VectorXd d = logz::logsumexp(x.rowwise());
#elif CASE( \
    other_scalar_noalias)  // expect: YOU_MIXED_DIFFERENT_NUMERIC_TYPES__YOU_NEED_TO_USE_THE_CAST_METHOD
  doubles.noalias() = logz::softmax(x.rowwise());
#elif CASE(other_scalar_argument)            // expect: all arguments of a call have the same scalar type
  out = logz::softmax_backward(x.rowwise(), doubles);
#elif CASE(other_scalar_grad)                // expect: grad must have the scalar type of the logits
  number = logz::cross_entropy_with_grad(x.rowwise(), targets, doubles);
#elif CASE(const_grad)                       // expect: grad must be writable
  number = logz::cross_entropy_with_grad(x.rowwise(), targets, constant);
#elif CASE(temporary_grad)                   // expect: grad must be writable
  number = logz::cross_entropy_with_grad(x.rowwise(), targets, Eigen::MatrixXf(3, 4));
#elif CASE(expression_grad)                  // expect: grad must be writable
  number = logz::nll_loss_with_grad(x.rowwise(), targets, x * 2);
#elif CASE(const_block_grad)                 // expect: grad must be writable
  number = logz::cross_entropy_with_grad(x.rowwise(), targets, constant.topRows(3));
#elif CASE(const_map_grad)                   // expect: grad must be writable
  number =
      logz::cross_entropy_with_grad(x.rowwise(), targets, Eigen::Map<const Eigen::MatrixXf>(x.data(), 3, 4));
#elif CASE(array_of_targets_for_one_sample)  // expect: targets are class indices: a vector of integers
  const int array[3] = {0, 1, 2};
  number = logz::cross_entropy(v, array);
#elif CASE(float_targets)                    // expect: targets are class indices: a vector of integers
  number = logz::cross_entropy(x.rowwise(), v);
#elif CASE(matrix_targets)                   // expect: targets are class indices: a vector of integers
  number = logz::nll_loss(x.rowwise(), integers);
#elif CASE(vector_target_for_one_sample)     // expect: targets are class indices: a vector of integers
  number = logz::cross_entropy(v, targets);
#elif CASE(matrix_above_a_loss)  // expect: grad_output is a scalar (of the reduced loss) or a vector
  out = logz::cross_entropy_backward(x, x.rowwise(), targets);
#elif CASE(double_above_a_loss)  // expect: grad_output has the loss's scalar type
  out = logz::nll_loss_backward(doubles.col(0), x.rowwise(), targets);
#elif CASE(probabilities_along_another_axis)  // expect: logits and target probabilities have different axes
  number = logz::cross_entropy(x.rowwise(), x.colwise());
#elif CASE(probabilities_for_nll)             // expect: targets are class indices: a vector of integers
  number = logz::nll_loss(x.rowwise(), x);
#elif CASE(double_probabilities)              // expect: targets are class indices: a vector of integers
  number = logz::cross_entropy(x.rowwise(), doubles);
#elif CASE(hvp_without_axis)                  // expect: a matrix needs an axis; write x.rowwise()
  out = logz::cross_entropy_hvp(x, x, 1);
#elif CASE(axes_differ)                       // expect: grad_output and the output have different axes
  out = logz::softmax_backward(x.rowwise(), x.colwise());
#elif CASE(jvp_matrix_without_axis)           // expect: a matrix needs an axis; write x.rowwise()
  out = logz::softmax_jvp(x, x);
#elif CASE(jvp_axis_on_output_alone)          // expect: needs the axis of the output
  number = logz::logsumexp_jvp(x, x.rowwise());
#elif CASE(kl_div_matrix_without_axis)        // expect: a matrix needs an axis; write x.rowwise()
  number = logz::kl_div(x, x);
#elif CASE(kl_div_axes_differ)                // expect: the output have different axes
  number = logz::kl_div(x.rowwise(), x.colwise());
#elif CASE(kl_div_other_scalar)               // expect: all arguments of a call have the same scalar type
  number = logz::kl_div(x.rowwise(), doubles);
#elif CASE(kl_div_const_grad)                 // expect: grad must be writable
  number = logz::kl_div_with_grad(x.rowwise(), x, constant);
#elif CASE(entropy_matrix_without_axis)       // expect: a matrix needs an axis; write x.rowwise()
  number = logz::entropy(x);
#elif CASE(entropy_backward_without_axis)     // expect: entropy_backward takes a matrix x with an axis
  out = logz::entropy_backward(v, x, v);
#elif CASE(entropy_integers)                  // expect: integer scalars cannot hold the result
  number = static_cast<float>(logz::entropy(integers.row(0)));
#elif CASE(softplus_of_an_integer)            // expect: integer scalars cannot hold the result
  number = static_cast<float>(logz::softplus(1));
#elif CASE(softplus_integers)                 // expect: integer scalars cannot hold the result
  const Eigen::MatrixXi i = logz::softplus(integers);
#elif CASE(binary_other_scalar)               // expect: all arguments of a call have the same scalar type
  number = logz::binary_cross_entropy_with_logits(x, doubles);
#elif CASE(binary_temporary_grad)             // expect: grad must be writable
  number = logz::binary_cross_entropy_with_logits_with_grad(x, x, Eigen::MatrixXf(3, 4));
#elif CASE(one_coefficient)                   // deleted: deleted
  number = p(0, 0);
#elif CASE(one_linear_coefficient)            // deleted: deleted
  number = logz::softmax(v)(0);
#elif CASE(one_bracket)                       // deleted: deleted
  number = logz::softmax(v)[0];
#elif CASE(one_log_z)                         // deleted: deleted
  number = logz::logsumexp(x.rowwise())(0);
#elif CASE(coeff)                             // deleted: deleted
  number = p.coeff(0, 0);
#else
#error "unknown case"
#endif
  (void)out, (void)number, (void)p, (void)doubles;
}
