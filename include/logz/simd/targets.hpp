// SPDX-License-Identifier: MIT
//
// The one place that knows CPU features: which targets this compiler and its flags compile, and what they need.
#pragma once

// Kernels are written in GCC's vector extensions, which Clang shares. -DLOGZ_KERNELS=0 leaves them out: everything takes
// the generic path, as with other compilers.
#ifndef LOGZ_KERNELS
#if (defined(__clang__) && __clang_major__ >= 14) || \
    (!defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 11)
#define LOGZ_KERNELS 1
#else
#define LOGZ_KERNELS 0
#endif
#endif

#if LOGZ_KERNELS && defined(__x86_64__)
#define LOGZ_X86 1
#else
#define LOGZ_X86 0
#endif

// A target below what the flags grant is not compiled: no CPU that runs the program would choose it.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__FMA__)
#define LOGZ_GRANTED_TARGET 2
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LOGZ_GRANTED_TARGET 1
#else
#define LOGZ_GRANTED_TARGET 0
#endif
