// Runs a fuzz target without libFuzzer: every stored input, then mutations of them from a seed for some seconds. It
// knows nothing of coverage; it keeps the targets compiled, their corpus true and old crashes away in every build.
//
//   fuzz-TARGET [--seconds N] [--seed S] FILE_OR_FOLDER...
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "fuzz/target.hpp"

namespace {

constexpr std::size_t kInputBytesMax = 64 << 10;
constexpr const char* kCrashFile = "fuzz-crash";

const std::string* current = nullptr;  // for the signal handler

// What was being tried is worth more than a core: it becomes the regression.
void keep_input(int signal) {
  const int fd = ::open(kCrashFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && current != nullptr && ::write(fd, current->data(), current->size()) >= 0) {
    constexpr std::string_view kSaid = "fuzz: the input that did this is in ./fuzz-crash\n";
    (void)!::write(STDERR_FILENO, kSaid.data(), kSaid.size());
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void try_input(const std::string& input) {
  current = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  current = nullptr;
}

std::vector<std::string> read_inputs(const std::vector<std::string>& places) {
  std::vector<std::filesystem::path> files;
  for (const auto& place : places) {
    if (std::filesystem::is_directory(place)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    } else if (std::filesystem::exists(place)) {
      files.emplace_back(place);
    }
  }
  std::sort(files.begin(), files.end());  // the same seed does the same everywhere
  std::vector<std::string> inputs;
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  std::string mutate(std::string input, const std::string& other) {
    for (std::size_t changes = 1 + below(8); changes > 0; --changes) change(input, other);
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
    return input;
  }

 private:
  void change(std::string& input, const std::string& other) {
    const std::size_t at = below(input.size());
    switch (below(8)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<char>(input[at] ^ 1 << below(8));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<char>(random_());
        break;
      case 2: put_number(input, at); break;
      case 3: input.resize(at); break;
      case 4: input.insert(at, input.substr(at, below(64))); break;
      case 5: input.erase(at, 1 + below(32)); break;
      case 6: input.insert(at, other.substr(below(other.size()), below(256))); break;
      default: input.insert(at, 1 + below(16), static_cast<char>(random_())); break;
    }
  }

  // Numbers at whose edges code goes wrong, at a place where a field may be.
  void put_number(std::string& input, std::size_t at) {
    static constexpr std::array<std::uint64_t, 10> kEdges{
        0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff};
    const std::uint64_t number = kEdges[below(kEdges.size())];
    const std::size_t width = std::size_t{1} << below(4);
    for (std::size_t i = 0; i < width && at + i < input.size(); ++i)
      input[at + i] = static_cast<char>(number >> (8 * i));
  }

  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seconds = 0;
  std::uint64_t seed = std::random_device()();
  std::vector<std::string> places;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--seconds" && i + 1 < argc) {
      seconds = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--seed" && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      places.push_back(argument);
    }
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, keep_input);

  std::vector<std::string> inputs = read_inputs(places);
  for (const auto& input : inputs) try_input(input);
  const std::size_t stored = inputs.size();
  inputs.emplace_back();
  std::cout << stored << " stored inputs; mutations for " << seconds << " s with --seed " << seed << std::endl;
  Mutator mutator(seed);
  std::uint64_t tried = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end) {
    const std::string& base = inputs[mutator.below(inputs.size())];
    const std::string& other = inputs[mutator.below(inputs.size())];
    try_input(mutator.mutate(base, other));
    ++tried;
  }
  std::cout << tried << " mutations tried" << std::endl;
  return 0;
}
