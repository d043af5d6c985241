// Trees of tasks of random shape, stacks and pins; each node is counted by itself and by its
// parent.

#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

constexpr int kDepth = 6;
constexpr std::size_t kSmallest = (support::kSanitized ? 64 : 16) * std::size_t{1024};

weft::SpawnOptions some_options(Random& random) {
  weft::SpawnOptions options;
  if (random.one_in(4)) options.stack_size = kSmallest << random.below(6);
  if (random.one_in(8)) options.name = "leaf or branch";
  options.pinned = random.one_in(16);
  return options;
}

/// How many tasks the tree has.
int grow(Ledger& ledger, Random random, int depth) {
  ledger.in(Book::kItems);
  if (random.one_in(8)) weft::yield();
  if (random.one_in(8)) {  // nobody will ask for it
    weft::spawn(counted(ledger, [&ledger] {
      weft::yield();
      ledger.in(Book::kItems);
      ledger.out(Book::kItems);
    }));
  }
  std::vector<weft::Task<int>> children;
  for (int left = depth == 0 ? 0 : 1 + random.below(5); left > 0; --left) {
    const weft::SpawnOptions options = some_options(random);
    children.push_back(start(
        ledger,
        [&ledger, of_child = random.split(), depth] { return grow(ledger, of_child, depth - 1); },
        options));
  }
  int size = 1;
  for (weft::Task<int>& child : children) {
    size += child.get();
    ledger.out(Book::kOutcomes);
  }
  return size;
}

}  // namespace

void spawn_tree(Scene& scene) {
  for (int round = 0; round < scaled(10); ++round) {
    const int size = grow(scene.ledger, scene.random.split(), kDepth);
    scene.ledger.out(Book::kItems, static_cast<std::uint64_t>(size));
  }
}

}  // namespace soak
