#pragma once

// Where the sequences run: in a plain thread or in a fiber. The programs differ in nothing else
// but whether the hooks are linked.

#include <functional>
#include <memory>

namespace hook_parity {

/// Runs `body` where `mode` says; ends the program if this build has no such place.
void run_in(const char* mode, const std::function<void()>& body);

/// Somebody who does something while the caller is blocked: a thread, or, where the sequences run
/// in a fiber and `close_by`, a fiber.
class Partner {
 public:
  Partner(bool close_by, std::function<void()> act);
  ~Partner();  // waits for the end
  Partner(const Partner&) = delete;
  Partner& operator=(const Partner&) = delete;

 private:
  struct Running;
  std::unique_ptr<Running> running_;
};

}  // namespace hook_parity
