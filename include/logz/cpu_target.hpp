// SPDX-License-Identifier: MIT
//
// Which CPU target runs. Programs need none of this: the best target of the CPU is chosen at the first call.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "detail/errors.hpp"
#include "simd/cpu.hpp"

LOGZ_NAMESPACE_BEGIN

/// The instruction sets that kernels are compiled for.
///
/// baseline: what the compiler's flags grant (SSE2 on x86-64); avx2: AVX2, FMA and F16C; avx512: AVX-512 F, BW, DQ
/// and VL. A target below what the flags grant is not compiled.
using detail::simd::cpu_target;

/// "baseline", "avx2" or "avx512".
inline const char* name(cpu_target target) { return detail::simd::target_names[static_cast<int>(target)]; }

/// The targets that this program holds and this CPU and operating system can run, the slowest first.
inline std::vector<cpu_target> supported_cpu_targets() {
  std::vector<cpu_target> targets;
  for (const cpu_target target : {cpu_target::baseline, cpu_target::avx2, cpu_target::avx512}) {
    if (detail::simd::can_run(target)) targets.push_back(target);
  }
  return targets;
}

/// The target that runs: the last of supported_cpu_targets(), unless LOGZ_CPU_TARGET in the environment or
/// set_cpu_target() says otherwise.
///
/// Errors: std::invalid_argument where LOGZ_CPU_TARGET names no target, or one that cannot run here. Every function
/// with kernels raises it at its first call, before anything is written.
inline cpu_target active_cpu_target() { return detail::simd::active_target(); }

/// Makes `target` run from the next call on, in all threads. False, and nothing changes, where it cannot run.
inline bool set_cpu_target(cpu_target target) {
  if (!detail::simd::can_run(target)) return false;
  detail::simd::set_active_target(target);
  return true;
}

LOGZ_NAMESPACE_END
