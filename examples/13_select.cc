// select: does whichever can be done first, of several receives and sends, and gives up after a
// while. Here a thermostat: it listens to a sensor and to its user, and reports when both are
// quiet.

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/sleep.h>
#include <weft/task_group.h>

#include <chrono>
#include <cstdio>
#include <optional>

using namespace std::chrono_literals;

void sensor(weft::Channel<double>& temperatures) {
  for (const double degrees : {18.5, 19.0, 21.5}) {
    weft::sleep_for(20ms);
    temperatures.send(degrees);
  }
  temperatures.close();
}

void user(weft::Channel<double>& wishes) {
  weft::sleep_for(30ms);
  wishes.send(21.0);
  weft::sleep_for(200ms);
  wishes.close();
}

void thermostat(weft::Channel<double>& temperatures, weft::Channel<double>& wishes) {
  double is = 0, wanted = 20;
  bool has_sensor = true;
  for (bool on = true; on;) {
    weft::select(
        // A channel that is closed is always ready, with nothing; so it is switched off.
        weft::receive_from(temperatures,
                           [&](std::optional<double> degrees) {
                             has_sensor = degrees.has_value();
                             if (!has_sensor) {
                               std::puts("the sensor has gone");
                               return;
                             }
                             is = *degrees;
                             std::printf("it is %.1f, %s\n", is, is < wanted ? "heating" : "off");
                           })
            .when(has_sensor),
        weft::receive_from(wishes,
                           [&](std::optional<double> wish) {
                             on = wish.has_value();
                             if (!on) return;
                             wanted = *wish;
                             std::printf("wanted: %.1f\n", wanted);
                           }),
        weft::after(150ms, [&] { std::puts("all quiet"); }));
  }
  std::puts("good night");
}

int main() {
  weft::run([] {
    weft::Channel<double> temperatures, wishes;
    weft::task_group([&](weft::TaskGroup& group) {
      group.spawn([&] { sensor(temperatures); });
      group.spawn([&] { user(wishes); });
      thermostat(temperatures, wishes);
    });

    // With otherwise() it does not wait at all.
    weft::Channel<int> letterbox(1);
    weft::select(weft::receive_from(letterbox), weft::otherwise([] { std::puts("no letter"); }));
  });
}
