// SPDX-License-Identifier: MIT
//
// Slices to and results from other libraries: raw numbers of float or double, slice after slice.
//
//   DIR/float/x.bin, g.bin, p.bin, log_p.bin, t.bin    one number for each logit
//   DIR/float/slices.csv                               length and target class of each slice
//   DIR/float/PEER/contiguous/FUNCTION.bin             results
#pragma once

#include <filesystem>
#include <fstream>
#include <map>

#include "calls.hpp"

namespace accuracy {

template <class T>
class argument_writer {
 public:
  argument_writer(const std::string& directory, const std::string& scalar)
      : folder_(std::filesystem::path(directory) / scalar) {
    std::filesystem::create_directories(folder_);
    slices_.open(folder_ / "slices.csv");
    slices_ << "length,target\n";
    for (const char* name : {"x", "g", "p", "log_p", "t"})
      files_.emplace(name, std::ofstream(folder_ / (name + std::string(".bin")), std::ios::binary));
  }
  void put(const arguments<T>& a) {
    slices_ << a.x.size() << ',' << a.target << '\n';
    put("x", a.x);
    put("g", a.g);
    put("p", a.p);
    put("log_p", a.log_p);
    put("t", a.t);
  }

 private:
  void put(const char* name, const std::vector<T>& numbers) {
    files_.at(name).write(reinterpret_cast<const char*>(numbers.data()),
                          static_cast<std::streamsize>(numbers.size() * sizeof(T)));
  }

  std::filesystem::path folder_;
  std::ofstream slices_;
  std::map<std::string, std::ofstream> files_;
};

struct result_files {
  std::string directory;
};

template <class T>
class result_reader {
 public:
  result_reader(const result_files& in, const std::string& scalar) {
    const auto folder = std::filesystem::path(in.directory) / scalar;
    for (const auto& peer : std::filesystem::directory_iterator(folder)) {
      if (!peer.is_directory()) continue;
      for (const layout l : {layout::contiguous, layout::interleaved}) {
        const auto results = peer.path() / (l == layout::contiguous ? "contiguous" : "interleaved");
        for (const auto& file : std::filesystem::directory_iterator(results)) {
          files_[{file.path().stem().string(), l}].emplace(peer.path().filename().string(),
                                                           std::ifstream(file.path(), std::ios::binary));
        }
      }
    }
  }

  /// visit(peer, its next `count` results) for every library that has the function.
  template <class Visit>
  void next(const std::string& function, layout in, std::size_t count, const Visit& visit) {
    std::vector<T> numbers(count);
    for (auto& [peer, file] : files_[{function, in}]) {
      file.read(reinterpret_cast<char*>(numbers.data()), static_cast<std::streamsize>(count * sizeof(T)));
      if (!file) throw std::runtime_error(peer + " has too few results of " + function);
      results got{{numbers.begin(), numbers.end()}, format_of<T>()};
      visit(peer, got);
    }
  }

  /// What has been read has been read to its end: else results were taken for other slices' than their own.
  void expect_end() {
    for (auto& [of, peers] : files_) {
      for (auto& [peer, file] : peers) {
        if (file.tellg() > 0 && file.peek() != std::ifstream::traits_type::eof())
          throw std::runtime_error(peer + " has results of " + of.first + " that no slice has asked for");
      }
    }
  }

 private:
  std::map<std::pair<std::string, layout>, std::map<std::string, std::ifstream>> files_;
};

}  // namespace accuracy
