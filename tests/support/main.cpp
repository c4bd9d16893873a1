// SPDX-License-Identifier: MIT
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <logz/cpu_target.hpp>
#include <string>

// With LOGZ_CPU_TARGET set to a target that this machine cannot run the tests are skipped: exit code 77.
int main(int argc, char** argv) {
  if (const char* const wanted = std::getenv("LOGZ_CPU_TARGET")) {
    bool runs = false;
    for (const logz::cpu_target target : logz::supported_cpu_targets())
      runs |= std::string(logz::name(target)) == wanted;
    if (!runs) {
      std::printf("skipped: %s does not run here\n", wanted);
      return 77;
    }
  }
  return doctest::Context(argc, argv).run();
}
