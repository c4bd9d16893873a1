// SPDX-License-Identifier: MIT
//
// Measures the error of every public function in ulp against MPFR, prints a table, and fails where a bound is broken.
#include <cstdio>
#include <iostream>

#include <CLI/CLI.hpp>

#include "bounds.hpp"
#include "measure.hpp"

namespace {

using namespace accuracy;

void write_csv(const std::string& path, const error_table& table) {
  std::ofstream out(path);
  out << "# " << compiler() << "\nfunction,scalar,by,layout,family,length,sigma,offset,numbers,max,rms\n";
  for (const auto& [what, errors] : table) {
    out << '"' << what.function << "\"," << what.scalar << ',' << what.by << ','
        << (what.in == layout::contiguous ? "contiguous" : "interleaved") << ',' << what.from.family << ','
        << what.from.length << ',' << what.from.sigma << ',' << what.from.offset << ',' << errors.count << ','
        << errors.max() << ',' << errors.rms() << '\n';
  }
}

/// Everything that was measured of one function, scalar and CPU target.
struct total {
  error_summary errors;
  const origin* worst = nullptr;
  const char* layout = "";
};

/// True if all bounds hold.
template <class T>
bool print(const error_table& table) {
  std::map<std::pair<std::string, std::string>, total> totals;
  for (const auto& [what, errors] : table) {
    if (what.scalar != scalar_name<T>) continue;
    total& sum = totals[{what.function, what.by}];
    if (sum.worst == nullptr || errors.largest > sum.errors.largest) {
      sum.worst = &what.from;
      sum.layout = what.in == layout::contiguous ? "contiguous" : "interleaved";
    }
    sum.errors.add(errors);
  }
  bool all_hold = true;
  for (const auto& [key, sum] : totals) {
    const auto& [function, by] = key;
    const std::vector<std::string> own = targets_of<T>();
    const bool is_own = std::find(own.begin(), own.end(), by) != own.end();
    const double limit = bound_of<T>(function, by);
    const bool broken = is_own && !(sum.errors.largest <= limit);
    all_hold &= !broken;
    std::printf("| %s | %s | %s | %.4g | %.4g%s | %.3g | %s, length %zu, sigma %g, offset %g, %s |\n",
                function.c_str(), scalar_name<T>, by.c_str(), limit, sum.errors.max(),
                broken ? " BROKEN" : "", sum.errors.rms(), sum.worst->family.c_str(), sum.worst->length,
                sum.worst->sigma, sum.worst->offset, sum.layout);
  }
  return all_hold;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Errors of logz in ulp, against MPFR"};
  grid which = grid::sampled;
  const std::map<std::string, grid> grids{
      {"sampled", grid::sampled}, {"full", grid::full}, {"peers", grid::peers}};
  app.add_option("--grid", which, "the slices")
      ->transform(CLI::CheckedTransformer(grids))
      ->capture_default_str();
  std::vector<std::string> scalars{"float", "double", "long double", "half", "bfloat16"};
  app.add_option("--scalars", scalars, "float, double, long double, half, bfloat16")->delimiter(',');
  std::string functions = ".*", csv, inputs, results;
  app.add_option("--functions", functions, "a regular expression");
  app.add_option("--csv", csv, "writes every figure to this file");
  app.add_option("--write-inputs", inputs, "writes the slices below this directory, and measures nothing");
  app.add_option("--results", results, "measures what other libraries have left below this directory, too");
  CLI11_PARSE(app, argc, argv);

  const auto wanted = [&](const char* scalar) {
    return std::find(scalars.begin(), scalars.end(), scalar) != scalars.end();
  };
  if (!inputs.empty()) {
    write_arguments<float>(which, inputs);
    write_arguments<double>(which, inputs);
    return 0;
  }
  const std::regex pattern(functions);
  const auto peers = results.empty() ? std::nullopt : std::make_optional(result_files{results});
  error_table table;
  std::printf(
      "%s\n\n| function | scalar | target | bound | max, ulp | rms | worst at "
      "|\n|---|---|---|---|---|---|---|\n",
      compiler().c_str());
  bool all_hold = true;
  const auto run = [&](auto number, const auto& files) {
    using T = decltype(number);
    if (!wanted(scalar_name<T>)) return;
    measure<T>(which, pattern, files, table);
    all_hold &= print<T>(table);
    std::fflush(stdout);
  };
  run(float(), peers);
  run(double(), peers);
#ifdef ACCURACY_OTHER_SCALARS
  run(0.0L, std::optional<result_files>());
  run(Eigen::half(), std::optional<result_files>());
  run(Eigen::bfloat16(), std::optional<result_files>());
#endif
  if (!csv.empty()) write_csv(csv, table);
  return all_hold ? 0 : 1;
}
