#include "report.hpp"

#include <algorithm>
#include <cstdio>

namespace earshot::bench {

bool Report::wants(const std::string& name) const {
  return only_.empty() ||
         std::any_of(only_.begin(), only_.end(), [&](const std::string& prefix) { return name.rfind(prefix, 0) == 0; });
}

void Report::medians(const std::vector<Figure>& figures, const std::function<std::vector<double>()>& measure) const {
  if (std::none_of(figures.begin(), figures.end(), [&](const Figure& figure) { return wants(figure.name); })) return;
  std::vector<std::vector<double>> values(figures.size());
  for (int run = 0; run < runs_; ++run) {
    const auto measured = measure();
    for (std::size_t i = 0; i < figures.size(); ++i) values[i].push_back(measured.at(i));
  }
  for (std::size_t i = 0; i < figures.size(); ++i) print(figures[i].name, median(values[i]), figures[i].unit);
}

void Report::print(const std::string& name, double value, const std::string& unit) const {
  std::printf("%-44s %14.*f %s\n", name.c_str(), value < 100 ? 2 : 0, value, unit.c_str());
  std::fflush(stdout);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace earshot::bench
