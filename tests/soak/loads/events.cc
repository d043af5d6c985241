// Events: two that play ping-pong, and crowds that wait for one, some of them not to the end.

#include <optional>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

void ping_pong(Scene& scene) {
  Ledger& ledger = scene.ledger;
  const int rounds = scaled(500);
  weft::Event ping, pong;
  auto partner = start(ledger, [&] {
    for (int i = 0; i < rounds; ++i) {
      const Ledger::Token wait(ledger, Book::kWaits);
      ping.wait();
      ping.clear();
      pong.set();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    const Ledger::Token wait(ledger, Book::kWaits);
    ping.set();
    pong.wait();
    pong.clear();
  }
  see(ledger, partner);
}

void crowd(Scene& scene) {
  Ledger& ledger = scene.ledger;
  std::vector<weft::Task<void>> waiters;
  {
    std::optional<weft::Event> gate(std::in_place);
    support::Arrivals passed(40);
    for (int i = 0; i < 40; ++i) {
      waiters.push_back(start(ledger, [&, random = scene.random.split()]() mutable {
        const Ledger::Token wait(ledger, Book::kWaits);
        if (random.one_in(4)) {
          try {
            weft::timeout(some_micros(random, 300), [&] { gate->wait(); });
          } catch (const weft::TimeoutError&) {
          }
        } else {
          gate->wait();
        }
        passed.arrive();
      }));
    }
    weft::sleep_for(some_micros(scene.random, 400));
    gate->set();
    passed.wait();
    gate.reset();  // at once
    // An arrival is the last that a waiter does with what is here, and the last one sets the event.
  }
  for (auto& waiter : waiters) see(ledger, waiter);
}

}  // namespace

void events(Scene& scene) {
  for (int i = 0; i < scaled(20); ++i) {
    ping_pong(scene);
    crowd(scene);
  }
}

}  // namespace soak
