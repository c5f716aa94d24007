"""Lazy imports: a package whose `__init__.pyi` lists its names imports each of them when it is first used."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import lazy_loader


def attach(package: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Give a package its `__getattr__`, `__dir__` and `__all__`.

        __getattr__, __dir__, __all__ = attach(__name__, __file__)

    A package that has a function of its own name can be called: `aimanga.upscale(picture)`.

    Args:
        package: Its name.
        file: Its `__init__.py`; the `__init__.pyi` beside it holds the imports.
    """
    getter, lister, names = lazy_loader.attach_stub(package, file)
    if package.rpartition(".")[2] in names:
        sys.modules[package].__class__ = _CallablePackage

    def get(name: str) -> object:
        found = getter(name)
        subpackage = sys.modules.get(f"{package}.{name}")
        if subpackage is None:
            return found
        # A subpackage and its verb have one name: the subpackage stays there, since it can be called.
        vars(sys.modules[package])[name] = subpackage
        return subpackage

    return get, lister, names


class _CallablePackage(ModuleType):
    @property
    def __wrapped__(self) -> Callable[..., Any]:  # where `inspect.signature` looks
        verb: Callable[..., Any] = getattr(self, self.__name__.rpartition(".")[2])
        return verb

    def __call__(self, *args: object, **keywords: object) -> object:
        return self.__wrapped__(*args, **keywords)
