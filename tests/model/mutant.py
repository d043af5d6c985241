"""A bug to plant: its name, the model that must find it, a file, the lines there, and what replaces them."""

import dataclasses


@dataclasses.dataclass
class Mutant:
    name: str
    model: str
    file: str
    old: str
    new: str
