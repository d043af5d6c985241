// Thousands of fibers that are parked at once, on stacks of all sizes of which each has used a
// part.

#include <cstring>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

/// Dirties about `frames` KiB of the stack, waits at the bottom, and looks whether it is still as
/// it was on the way back.
bool wait_below(int frames, unsigned char mark, weft::Event& gate) {
  volatile unsigned char frame[1024];
  for (volatile unsigned char& byte : frame) byte = mark;
  bool intact = true;
  if (frames > 1) {
    intact = wait_below(frames - 1, static_cast<unsigned char>(mark + 1), gate);
  } else {
    gate.wait();
  }
  for (volatile unsigned char& byte : frame) intact &= byte == mark;
  return intact;
}

}  // namespace

void parked(Scene& scene) {
  Ledger& ledger = scene.ledger;
  constexpr std::size_t kKiB = 1024;
  weft::Event gate;
  std::vector<weft::Task<bool>> tasks;
  for (int i = 0; i < scaled(3000); ++i) {
    const std::size_t size = (64 * kKiB) << (scene.random.one_in(50) ? 5 : scene.random.below(3));
    const int frames = 1 + scene.random.below(scene.random.one_in(50) ? 20 : 4);
    const auto mark = static_cast<unsigned char>(scene.random.below(256));
    tasks.push_back(start(ledger,
                          [&ledger, &gate, frames, mark] {
                            const Ledger::Token wait(ledger, Book::kWaits);
                            return wait_below(frames, mark, gate);
                          },
                          {.stack_size = size}));
    if (scene.random.one_in(100)) weft::yield();
  }
  weft::sleep_for(some_micros(scene.random, 100'000));
  gate.set();
  for (auto& task : tasks) {
    ledger.expect(task.get(), "a parked fiber's stack has changed");
    ledger.out(Book::kOutcomes);
  }
}

}  // namespace soak
