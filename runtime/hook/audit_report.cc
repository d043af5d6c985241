#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "hook/audit.h"
#include "hook/audit_calls.h"
#include "hook/audit_symbols.h"

namespace weft::hook {

namespace {

std::string milliseconds(Nanos span) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f ms", static_cast<double>(span) / 1e6);
  return text.data();
}

std::string counted(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string headline(const AuditRecord& record) {
  std::string text = name_of(record.call);
  if (record.call.descriptor != BlockingCall::kNoDescriptor) {
    text += " on descriptor " + std::to_string(record.call.descriptor);
    if (record.other_descriptors) text += " and others";
  }
  text += ": " + counted(record.calls, "time") + ", " + milliseconds(record.total);
  if (record.calls > 1) text += " in all, the longest " + milliseconds(record.longest);
  return text;
}

std::string fiber_line(const AuditRecord& record) {
  const std::string id = std::to_string(record.fiber_id);
  const std::string name = record.fiber_name.empty() ? "task-" + id : record.fiber_name;
  return "  in " + name + " (fiber " + id + "), spawned at " + record.site.file + ":" +
         std::to_string(record.site.line) + " in " + record.site.function +
         (record.other_fibers ? ", and in others" : "");
}

// A record and where each of its addresses is.
struct Told {
  AuditRecord record;
  std::vector<Place> places;
};

bool is_of_the_system(const Place& place) {
  constexpr std::string_view kLibraries[] = {"libc.", "libpthread", "libstdc++", "libc++", "ld-"};
  return std::any_of(std::begin(kLibraries), std::end(kLibraries),
                     [&place](std::string_view name) { return place.file.starts_with(name); });
}

// Locks of the runtime's own, and what the kernel waits for inside calls that do not block: no port
// can do anything about them. A hook that waits is another matter.
bool is_runtimes_own(const std::vector<Place>& places) {
  const auto caller = std::find_if_not(places.begin(), places.end(), &is_of_the_system);
  if (caller == places.end()) return false;
  const bool has_no_symbols = caller->function.empty();
  return caller->function.starts_with("_ZN4weft6detail") ||
         (has_no_symbols && caller->file.starts_with("libweft."));
}

std::string text_of(const Told& told) {
  std::string text = headline(told.record) + "\n" + fiber_line(told.record) + "\n";
  for (std::size_t i = 0; i < told.places.size(); ++i) {
    text += "    #" + std::to_string(i) + " " + told.places[i].text() + "\n";
  }
  return text;
}

// In two parts: the program's own, and the runtime's.
class Report {
 public:
  explicit Report(const AuditLog& log) : calls_(log.calls_without_stack()) {
    std::vector<AuditRecord> records = log.records();
    std::sort(records.begin(), records.end(),
              [](const AuditRecord& a, const AuditRecord& b) { return a.total > b.total; });
    time_ = log.time_without_stack();
    for (AuditRecord& record : records) add(std::move(record));
    if (log.calls_without_stack() > 0) {
      text_ += counted(log.calls_without_stack(), "call") +
               " more, for whose stacks there was no room\n";
    }
  }

  std::string text() const {
    std::string text = text_;
    if (runtimes_calls_ > 0) {
      text += "not counted: " + counted(runtimes_calls_, "wait") + " of the runtime's own, " +
              milliseconds(runtimes_time_) + " in all\n" + runtimes_text_;
    }
    if (calls_ == 0) return text + "weft audit: nothing blocked a worker\n";
    return text + "weft audit: " + counted(calls_, "call") + " blocked a worker for " +
           milliseconds(time_) + " in all\n";
  }

 private:
  void add(AuditRecord record) {
    Told told{std::move(record), {}};
    for (std::size_t i = 0; i < told.record.stack.count; ++i) {
      told.places.push_back(symbols_.find(told.record.stack.frames[i]));
    }
    const bool runtimes = is_runtimes_own(told.places);
    (runtimes ? runtimes_text_ : text_) += text_of(told);
    (runtimes ? runtimes_calls_ : calls_) += told.record.calls;
    (runtimes ? runtimes_time_ : time_) += told.record.total;
  }

  Symbols symbols_;
  std::string text_;
  std::uint64_t calls_ = 0;
  Nanos time_ = 0;
  std::string runtimes_text_;
  std::uint64_t runtimes_calls_ = 0;
  Nanos runtimes_time_ = 0;
};

}  // namespace

std::string report_of(const AuditLog& log, const std::string& means) {
  return means + "\n" + Report(log).text();
}

}  // namespace weft::hook
