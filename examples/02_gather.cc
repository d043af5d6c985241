// Three requests that take 1, 2 and 3 seconds: one after the other, and then all at once.

#include <weft/gather.h>
#include <weft/runtime.h>
#include <weft/sleep.h>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Stands for a request over the network: nothing but waiting.
std::string fetch(const std::string& page, std::chrono::seconds takes) {
  std::printf("  started %s, which takes %d s\n", page.c_str(), static_cast<int>(takes.count()));
  weft::sleep_for(takes);
  std::printf("  fetched %s\n", page.c_str());
  return "contents of " + page;
}

void print_results(const std::string& a, const std::string& b, const std::string& c) {
  std::printf("  results: %s, %s, %s\n", a.c_str(), b.c_str(), c.c_str());
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double one_after_the_other() {
  const auto start = Clock::now();
  std::puts("One after the other:");
  const std::string a = fetch("page 1", 1s);
  const std::string b = fetch("page 2", 2s);
  const std::string c = fetch("page 3", 3s);
  print_results(a, b, c);
  return seconds_since(start);
}

double all_at_once() {
  const auto start = Clock::now();
  std::puts("All at once, with gather:");
  // Each call becomes a task of its own. The results come in the order of the arguments, whichever
  // is ready first.
  const auto [a, b, c] =
      weft::gather([] { return fetch("page 1", 1s); }, [] { return fetch("page 2", 2s); },
                   [] { return fetch("page 3", 3s); });
  print_results(a, b, c);
  return seconds_since(start);
}

int main() {
  weft::run([] {
    const double sequential = one_after_the_other();
    const double concurrent = all_at_once();
    std::printf("one after the other: %.2f s, all at once: %.2f s\n", sequential, concurrent);
  });
}
