// SPDX-License-Identifier: MIT
//
// What the CPU and the operating system can run, and which target has been chosen.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../detail/errors.hpp"
#include "targets.hpp"

#if LOGZ_X86
#include <cpuid.h>
#endif

namespace logz {
namespace chosen_cpu_target {
/// The one piece of global state, shared by all translation units whatever their flags: a cpu_target, or -1.
inline std::atomic<int> value{-1};
}  // namespace chosen_cpu_target
}  // namespace logz

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace simd {

enum class cpu_target { baseline, avx2, avx512 };
inline constexpr const char* target_names[] = {"baseline", "avx2", "avx512"};

/// Targets compiled into this translation unit.
inline constexpr cpu_target lowest_compiled = static_cast<cpu_target>(LOGZ_GRANTED_TARGET);
inline constexpr cpu_target highest_compiled = LOGZ_X86 ? cpu_target::avx512 : cpu_target::baseline;

/// The best target of this CPU. AVX needs the operating system too: it must save the wider registers.
inline cpu_target detect_target() {
#if LOGZ_X86
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return cpu_target::baseline;
  constexpr unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
  if ((c & (fma | osxsave | avx | f16c)) != (fma | osxsave | avx | f16c)) return cpu_target::baseline;
  unsigned saved = 0, saved_high = 0;
  __asm__("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return cpu_target::baseline;
  constexpr unsigned avx2 = 1u << 5, xmm_ymm = 0x6;
  if ((b & avx2) == 0 || (saved & xmm_ymm) != xmm_ymm) return cpu_target::baseline;
  constexpr unsigned f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31, opmask_zmm = 0xe0;
  if ((b & f_dq_bw_vl) != f_dq_bw_vl || (saved & opmask_zmm) != opmask_zmm) return cpu_target::avx2;
  return cpu_target::avx512;
#else
  return cpu_target::baseline;
#endif
}

inline bool can_run(cpu_target target) {
  static const cpu_target best = detect_target();
  return target >= lowest_compiled && target <= highest_compiled && target <= best;
}

inline cpu_target best_target() {
  cpu_target best = lowest_compiled;
  for (const cpu_target target : {cpu_target::avx2, cpu_target::avx512}) {
    if (can_run(target)) best = target;
  }
  return best;
}

/// LOGZ_CPU_TARGET, or the best.
inline cpu_target first_target() {
  const char* const wanted = std::getenv("LOGZ_CPU_TARGET");
  if (wanted == nullptr || *wanted == 0) return best_target();
  std::string runnable;
  for (const cpu_target target : {cpu_target::baseline, cpu_target::avx2, cpu_target::avx512}) {
    if (!can_run(target)) continue;
    const char* const name = target_names[static_cast<int>(target)];
    if (std::string(wanted) == name) return target;
    runnable += (runnable.empty() ? "" : ", ") + std::string(name);
  }
  raise<std::invalid_argument>("logz: LOGZ_CPU_TARGET is \"" + std::string(wanted) +
                               "\"; the targets that can run here: " + runnable);
}

inline void set_active_target(cpu_target target) {
  chosen_cpu_target::value.store(static_cast<int>(target), std::memory_order_relaxed);
}

inline cpu_target active_target() {
  int chosen = chosen_cpu_target::value.load(std::memory_order_relaxed);
  if (chosen < 0) {
    chosen = static_cast<int>(first_target());
    chosen_cpu_target::value.store(chosen, std::memory_order_relaxed);
  }
  // Chosen by code compiled with fewer flags: what they grant here runs.
  return static_cast<cpu_target>(chosen) < lowest_compiled ? lowest_compiled
                                                           : static_cast<cpu_target>(chosen);
}

/// A cache shared by many cores is not one's own: measured where cpuid lists 480 MiB, a copy past the caches takes as long
/// as one through them from 4 to 32 MiB of both arrays together, 0.85 of it at 48 MiB and 0.45 at 64.
inline constexpr std::size_t most_last_level_cache = std::size_t{32} << 20;

/// The cache shared by all cores, or by the cores of one complex: the largest that cpuid lists, as far as it counts.
inline std::size_t last_level_cache() {
  static const std::size_t bytes = [] {
    std::size_t largest = 0;
#if LOGZ_X86
    // Leaf 4 on Intel, 0x8000001d on AMD: one cache per subleaf, type 0 ends the list.
    for (const unsigned leaf : {4u, 0x8000001du}) {
      for (unsigned i = 0; i < 8; ++i) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d) || (a & 31) == 0) break;
        const std::size_t ways = (b >> 22) + 1, partitions = (b >> 12 & 1023) + 1, line = (b & 4095) + 1;
        const std::size_t size = ways * partitions * line * (std::size_t{c} + 1);
        largest = size > largest ? size : largest;
      }
    }
#endif
    return largest == 0 || largest > most_last_level_cache ? most_last_level_cache : largest;
  }();
  return bytes;
}

}  // namespace simd
}  // namespace detail
LOGZ_NAMESPACE_END
