"""Collect what is wrong before the work begins, and refuse all of it at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from aimanga.errors import AimangaError, UsageError
from aimanga.text import listed

Kinds = type[Exception] | tuple[type[Exception], ...]


class Problems:
    """A list of problems that becomes one error.

        problems = Problems()
        with problems.noting("recipe.toml: line 3, data.sources"):
            sets = find_sets(recipe)
        if crop % 8:
            problems.add(f"--crop {crop}: the discriminator takes multiples of 8")
        problems.refuse()

    Args:
        most: How many the message shows; it says how many more there are.
    """

    def __init__(self, most: int = 10) -> None:
        self._most = most
        self._found: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def add(self, *problems: str) -> None:
        """Add problems, each of them a sentence that says where it is."""
        self._found += problems

    @contextmanager
    def noting(
        self, where: str = "", kinds: type[Exception] | tuple[type[Exception], ...] = AimangaError
    ) -> Iterator[None]:
        """Run a step; add its error instead of raising it.

        Args:
            where: Put before the error's message.
            kinds: Errors that are added; others are raised.
        """
        try:
            yield
        except kinds as error:
            self.add(f"{where}: {error}" if where else str(error))

    def refuse(self, what: str = "", kind: type[AimangaError] = UsageError) -> None:
        """Raise an error that names the problems; does nothing where there are none.

        Args:
            what: Put before them: the file or folder that they are in.
            kind: The error.
        """
        if self._found:
            raise kind(f"{what}: {self}" if what else str(self))

    def __str__(self) -> str:
        return listed(self._found, self._most, "; ")
