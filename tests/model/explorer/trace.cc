#include "explorer/trace.h"

#include <algorithm>
#include <cstdio>

namespace model {

namespace {

std::string number(std::uint64_t value) {
  // Small negative numbers, counters that wrap, and pointers read better like this.
  if (value < 1'000'000) return std::to_string(value);
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::string Trace::words(const Step& step, Names& names) {
  std::string text;
  for (const char* c = step.what; *c != '\0'; ++c) {
    if (*c == '@') {
      std::string& name = names[step.address];
      if (name.empty()) name = "v" + std::to_string(names.size());
      text += name;
    } else if (*c == '#') {
      text += number(step.first);
    } else if (*c == '$') {
      text += number(step.second);
    } else {
      text += *c;
    }
  }
  return text;
}

std::string Trace::table(std::size_t threads) const {
  constexpr std::size_t kWidth = 40;
  std::string text = "step  ";
  for (std::size_t i = 0; i < threads; ++i) {
    std::string head = "thread " + std::to_string(i);
    head.resize(kWidth, ' ');
    text += head;
  }
  text += '\n';
  Names names;  // of the atomics, in the order in which they are first used
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    std::string line = std::to_string(i);
    const auto column = static_cast<std::size_t>(std::max(steps_[i].thread, 0));
    line.resize(6 + column * kWidth, ' ');
    text += line + words(steps_[i], names) + '\n';
  }
  return text;
}

}  // namespace model
