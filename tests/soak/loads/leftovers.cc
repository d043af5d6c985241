// Tasks that are still there when the runtime ends: it cancels them, lets them clean up, and waits.

#include "soak/load.h"

namespace soak {

void leftovers(Scene& scene) {
  Ledger& ledger = scene.ledger;
  for (int i = 0; i < scaled(100); ++i) {
    const bool cleans_up = scene.random.one_in(4);
    weft::spawn(counted(ledger, [&ledger, cleans_up] {
      ledger.in(Book::kWaits);
      try {
        support::sleep_forever();
      } catch (const weft::Cancelled&) {
        ledger.out(Book::kWaits);
        if (!cleans_up) throw;
        weft::spawn(counted(ledger, [] { weft::yield(); }));
        weft::sleep_for(Micros(10));
      }
    }));
  }
}

}  // namespace soak
