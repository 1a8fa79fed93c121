#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace earshot::tests {

// Prometheus' text format, read as strictly as its own parser reads it, and more so where that forgives what makes
// graphs wrong. Throws with the line that breaks a rule:
//
//  * each family has its HELP and TYPE once, before its samples, and its samples in one piece;
//  * names are made of the characters that names may have; label values are quoted and escaped;
//  * no sample comes twice; every value is a number;
//  * a counter ends in _total and is not negative; a histogram's buckets ascend, end with +Inf, and that is its count.
class MetricsText {
 public:
  explicit MetricsText(const std::string& text) {
    if (text.empty() || text.back() != '\n') throw std::runtime_error("the last line does not end");
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      read_line(text.substr(begin, end - begin));
      begin = end + 1;
    }
    for (const auto& [name, type] : types_)
      if (type == "histogram") check_histogram(name);
  }

  // A sample by what stands before its value: name{label="value",…}. Throws when there is none.
  [[nodiscard]] double at(const std::string& sample) const {
    const auto found = samples_.find(sample);
    if (found == samples_.end()) throw std::runtime_error("there is no sample " + sample);
    return found->second;
  }
  [[nodiscard]] bool contains(const std::string& sample) const { return samples_.contains(sample); }
  [[nodiscard]] bool has_family(const std::string& name) const { return types_.contains(name); }
  [[nodiscard]] const std::map<std::string, std::string>& types() const { return types_; }
  [[nodiscard]] std::size_t size() const { return samples_.size(); }

 private:
  [[noreturn]] static void refuse(const std::string& line, const char* why) {
    throw std::runtime_error(std::string(why) + ": " + line);
  }
  static bool is_name(std::string_view name, bool with_colon) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    for (const char c : name)
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
            (with_colon && c == ':')))
        return false;
    return true;
  }

  void read_line(const std::string& line) {
    if (line.starts_with("# HELP ")) {
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      if (!is_name(name, true)) refuse(line, "no name of a family");
      if (!helps_.insert(name).second) refuse(line, "a family comes twice");
      if (line.find(' ', 7) == std::string::npos) refuse(line, "a help says nothing");
      return;
    }
    if (line.starts_with("# TYPE ")) {
      const std::size_t space = line.find(' ', 7);
      if (space == std::string::npos) refuse(line, "no type");
      family_ = line.substr(7, space - 7);
      const std::string type = line.substr(space + 1);
      if (!helps_.contains(family_)) refuse(line, "a family has no help");
      if (type != "counter" && type != "gauge" && type != "histogram") refuse(line, "no type that is used here");
      if (type == "counter" && !family_.ends_with("_total")) refuse(line, "a counter that is not named as one");
      if (type != "counter" && family_.ends_with("_total")) refuse(line, "named as a counter");
      if (!types_.emplace(family_, type).second) refuse(line, "a family comes twice");
      return;
    }
    if (line.starts_with("#")) refuse(line, "neither HELP nor TYPE");
    read_sample(line);
  }

  void read_sample(const std::string& line) {
    std::size_t place = line.find_first_of("{ ");
    if (place == std::string::npos) refuse(line, "a sample has no value");
    const std::string name = line.substr(0, place);
    if (!is_name(name, true)) refuse(line, "no name of a sample");
    if (!belongs_to_family(name)) refuse(line, "a sample outside its family");
    if (line[place] == '{') place = read_labels(line, place);
    if (place >= line.size() || line[place] != ' ') refuse(line, "no space before the value");
    const std::string sample = with_short_bound(line.substr(0, place));
    const std::string value = line.substr(place + 1);
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0' || value[0] == ' ') refuse(line, "the value is no number");
    if (std::isnan(number)) refuse(line, "a value is not a number");
    if (types_.at(family_) != "gauge" && number < 0) refuse(line, "a count is negative");
    if (!samples_.emplace(sample, number).second) refuse(line, "a sample comes twice");
  }

  // A bucket's bound in its shortest form, since libraries write it in several.
  static std::string with_short_bound(const std::string& sample) {
    const std::size_t place = sample.find("le=\"");
    if (place == std::string::npos) return sample;
    const std::size_t begin = place + 4;
    const std::size_t end = sample.find('"', begin);
    const double bound = std::strtod(sample.substr(begin, end - begin).c_str(), nullptr);
    if (std::isinf(bound)) return sample;
    std::array<char, 64> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), bound, std::chars_format::fixed);
    return sample.substr(0, begin) + std::string(text.data(), written.ptr) + sample.substr(end);
  }

  [[nodiscard]] bool belongs_to_family(const std::string& name) const {
    if (family_.empty()) return false;
    if (types_.at(family_) != "histogram") return name == family_;
    return name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count";
  }

  // Behind the closing brace.
  static std::size_t read_labels(const std::string& line, std::size_t place) {
    std::set<std::string> names;
    do {
      const std::size_t equals = line.find('=', ++place);
      if (equals == std::string::npos) refuse(line, "a label has no value");
      const std::string name = line.substr(place, equals - place);
      if (!is_name(name, false)) refuse(line, "no name of a label");
      if (!names.insert(name).second) refuse(line, "a label comes twice");
      place = equals + 1;
      if (place >= line.size() || line[place] != '"') refuse(line, "a label is not quoted");
      for (++place; place < line.size() && line[place] != '"'; ++place) {
        if (line[place] != '\\') continue;
        ++place;
        if (place >= line.size() || (line[place] != '\\' && line[place] != '"' && line[place] != 'n'))
          refuse(line, "a label is escaped in another way");
      }
      ++place;
      if (place >= line.size()) refuse(line, "labels do not end");
    } while (line[place] == ',');
    if (line[place] != '}') refuse(line, "labels do not end");
    return place + 1;
  }

  // All buckets of each set of labels: they come in their order, so by their counts.
  void check_histogram(const std::string& name) const {
    std::map<std::string, std::map<double, double>> buckets;  // by the other labels, by bound
    for (const auto& [sample, value] : samples_) {
      if (!sample.starts_with(name + "_bucket{")) continue;
      const std::size_t le = sample.find("le=\"");
      if (le == std::string::npos) throw std::runtime_error("a bucket without its bound: " + sample);
      const std::size_t end = sample.find('"', le + 4);
      std::string labels = sample.substr(name.size() + 7, le - name.size() - 7);
      if (labels.ends_with(",")) labels.pop_back();
      labels += "}";
      if (labels == "{}") labels.clear();
      buckets[labels][std::strtod(sample.substr(le + 4, end - le - 4).c_str(), nullptr)] = value;
    }
    if (buckets.empty()) throw std::runtime_error("a histogram without buckets: " + name);
    for (const auto& [labels, of] : buckets) {
      double last = 0;
      for (const auto& [bound, count] : of) {
        if (count < last) throw std::runtime_error("buckets that descend: " + name + labels);
        last = count;
      }
      if (!std::isinf(of.rbegin()->first)) throw std::runtime_error("no last bucket: " + name + labels);
      if (at(name + "_count" + labels) != last) throw std::runtime_error("another count: " + name + labels);
      if (!samples_.contains(name + "_sum" + labels)) throw std::runtime_error("no sum: " + name + labels);
    }
  }

  std::string family_;  // whose samples come now
  std::set<std::string> helps_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> samples_;
};

}  // namespace earshot::tests
