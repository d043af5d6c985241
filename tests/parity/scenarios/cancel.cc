// Asking one task to stop. Each scenario does what its namesake in cancel.py does.

#include "parity/harness.h"

namespace parity {

SCENARIO(cancel_before_start) {
  auto task = weft::spawn([] { trace("child starts"); });
  trace("cancel", task.cancel());
  attempt("child", [&] { task.get(); });
  trace("cancelled", task.cancelled());
}

SCENARIO(cancel_while_it_sleeps) {
  auto task = weft::spawn([] {
    trace("child starts");
    try {
      ticks(9);
    } catch (const weft::Cancelled& error) {
      trace("child caught", error);
      throw;
    }
  });
  ticks(1);
  trace("cancel", task.cancel(), task.done());
  attempt("child", [&] { task.get(); });
  trace("cancelled", task.cancelled(), "again", task.cancel());
}

}  // namespace parity
