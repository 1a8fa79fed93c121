#pragma once

#include <functional>
#include <string>
#include <vector>

namespace earshot::bench {

struct Figure {
  std::string name;
  std::string unit;
};

// Prints one line per figure, "name value unit", the median of its runs.
class Report {
 public:
  // Only figures whose name starts with one of `only` are made (none: all); `runs` is how often each is measured.
  Report(std::vector<std::string> only, int runs) : only_(std::move(only)), runs_(runs) {}

  [[nodiscard]] bool wants(const std::string& name) const;
  [[nodiscard]] int runs() const { return runs_; }
  // Measures `runs` times and prints the median of each figure; `measure` gives one value per figure.
  void medians(const std::vector<Figure>& figures, const std::function<std::vector<double>()>& measure) const;
  void print(const std::string& name, double value, const std::string& unit) const;

 private:
  std::vector<std::string> only_;
  int runs_;
};

double median(std::vector<double> values);

}  // namespace earshot::bench
