#include <array>

#include "soak/load.h"

namespace soak {

namespace {

constexpr std::array kLoads = {
    Load{"spawn_tree", &spawn_tree},
    Load{"groups", &groups},
    Load{"gathers", &gathers},
    Load{"timeouts", &timeouts},
    Load{"cancel_storm", &cancel_storm},
    Load{"locks", &locks},
    Load{"permits", &permits},
    Load{"channels", &channels},
    Load{"events", &events},
    Load{"sleepers", &sleepers},
    Load{"offload", &offload},
    Load{"outsiders", &outsiders},
    Load{"exceptions", &exceptions},
    Load{"parked", &parked, 1},
    Load{"leftovers", &leftovers},
    Load{"neighbours", &neighbours},
    Load{"echo", &echo},
    Load{"rough_peers", &rough_peers},
    Load{"serving", &serving},
};

}  // namespace

std::span<const Load> all_loads() noexcept { return kLoads; }

}  // namespace soak
